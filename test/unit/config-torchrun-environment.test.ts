import { describe, expect, it } from "vitest";
import { readWorld, startedByLauncher } from "../../src/config/torchrun-environment.ts";

const two = {
  RANK: "1",
  WORLD_SIZE: "2",
  LOCAL_RANK: "1",
  LOCAL_WORLD_SIZE: "2",
  MASTER_ADDR: "10.0.0.7",
  MASTER_PORT: "29500",
};

describe("the torchrun protocol", () => {
  it("reads the place of a process", () => {
    expect(readWorld({ ...two, TORCHELASTIC_USE_AGENT_STORE: "True", TORCHELASTIC_RESTART_COUNT: "3" })).toEqual({
      rank: 1,
      size: 2,
      localRank: 1,
      local: true,
      masterAddress: "10.0.0.7",
      masterPort: 29500,
      agentStore: true,
      restarts: 3,
      networkInterface: "",
    });
    expect(startedByLauncher(two)).toBe(true);
  });

  it("is alone without WORLD_SIZE, and with 1", () => {
    expect(readWorld({})).toMatchObject({ rank: 0, size: 1, localRank: 0, restarts: 0 });
    expect(readWorld({ RANK: "0", WORLD_SIZE: "1" })).toMatchObject({ rank: 0, size: 1 });
    expect(startedByLauncher({})).toBe(false);
  });

  it("knows whether all processes are on one machine", () => {
    expect(readWorld({ ...two, LOCAL_WORLD_SIZE: "1", LOCAL_RANK: "0" }).local).toBe(false);
    expect(readWorld({ ...two, LOCAL_WORLD_SIZE: undefined, MASTER_ADDR: "localhost" }).local).toBe(true);
    expect(readWorld({ ...two, LOCAL_WORLD_SIZE: undefined }).local).toBe(false);
  });

  it("takes the first network interface of GLOO_SOCKET_IFNAME", () => {
    expect(readWorld({ ...two, GLOO_SOCKET_IFNAME: "eth0,eth1" }).networkInterface).toBe("eth0");
  });

  it.each([
    ["RANK", undefined],
    ["RANK", "2"],
    ["RANK", "-1"],
    ["RANK", "one"],
    ["RANK", ""],
    ["RANK", "1.5"],
    ["WORLD_SIZE", undefined],
    ["WORLD_SIZE", "0"],
    ["WORLD_SIZE", "two"],
    ["LOCAL_RANK", "2"],
    ["LOCAL_RANK", "x"],
    ["LOCAL_WORLD_SIZE", "0"],
    ["LOCAL_WORLD_SIZE", "3"],
    ["MASTER_ADDR", undefined],
    ["MASTER_ADDR", " "],
    ["MASTER_PORT", undefined],
    ["MASTER_PORT", "0"],
    ["MASTER_PORT", "65536"],
    ["MASTER_PORT", "http"],
    ["TORCHELASTIC_USE_AGENT_STORE", "maybe"],
    ["TORCHELASTIC_RESTART_COUNT", "-1"],
  ])("names %s when it is %s", (variable, value) => {
    expect(() => readWorld({ ...two, [variable]: value })).toThrowError(
      expect.objectContaining({
        code: "ERR_INVALID_ARGUMENT",
        message: expect.stringContaining(variable) as string,
        details: { variable },
      }),
    );
  });
});
