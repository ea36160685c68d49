/** Which device a configuration means. */
import { codedError } from "../errors.ts";
import type { NativeInfo } from "./native-types.ts";

/** The device that `device` means on this machine. Throws ERR_DEVICE when there is no such one. */
export function resolveDevice(device: string, info: Pick<NativeInfo, "cuda">): string {
  if (device === "auto") return info.cuda.length > 0 ? `cuda:${info.cuda[0]!.index}` : "cpu";
  if (device === "cpu") return device;
  const wanted = device === "cuda" ? (info.cuda[0]?.index ?? 0) : Number(device.slice("cuda:".length));
  if (!info.cuda.some((d) => d.index === wanted)) {
    const there =
      info.cuda.length === 0 ? "no CUDA device" : `CUDA devices ${info.cuda.map((d) => d.index).join(", ")}`;
    throw codedError("ERR_DEVICE", `device is ${device}, but this machine has ${there}`, { details: { device } });
  }
  return `cuda:${wanted}`;
}
