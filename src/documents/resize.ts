/** Scaling of images. */
import sharp from "sharp";
import type { RasterImage } from "./image.ts";

/** The image in another size, stretched where the shape differs; itself where it has that size. */
export async function resizeImage(image: RasterImage, width: number, height: number): Promise<RasterImage> {
  if (image.width === width && image.height === height) return image;
  const data = await sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    .resize(width, height, { fit: "fill", kernel: scalingKernel(image.width, width) })
    .raw()
    .toBuffer();
  return { data, width, height };
}

/** Lanczos averages over the area when it makes smaller; cubic rings less when it enlarges. */
export const scalingKernel = (from: number, to: number): "lanczos3" | "cubic" => (from > to ? "lanczos3" : "cubic");
