// Dots, drawn once and copied to where points are.

/** A square canvas with a dot of this radius in its middle; as far as `half` to each side. */
export function dot(colour: string, radius: number, half: number, of?: CanvasRenderingContext2DSettings): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = half * 2;
  const context = canvas.getContext('2d', of) as CanvasRenderingContext2D;
  context.fillStyle = colour;
  context.beginPath();
  context.arc(half, half, radius, 0, Math.PI * 2);
  context.fill();
  return canvas;
}
