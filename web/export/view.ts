// What is seen of the map, and how a person moves over it.

/** The middle of the window, and pixels to a unit of the map. */
export class View {
  private x = 0;
  private y = 0;
  pixels = 1;
  private width = 1;
  private height = 1;
  /** Whether nobody has moved the map yet: then it keeps being fitted. */
  private untouched = true;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly extent: [number, number],
    private readonly changed: () => void,
    private readonly over: (at: [number, number] | null, pressed: boolean) => void,
  ) {
    this.byMouse();
    this.byTouch();
    this.byKeys();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement as Element);
    this.resize();
  }

  get size(): [number, number] {
    return [this.width, this.height];
  }

  /** Where a place of the map is in the window. */
  screen(x: number, y: number): [number, number] {
    return [this.width / 2 + (x - this.x) * this.pixels, this.height / 2 - (y - this.y) * this.pixels];
  }

  fit(): void {
    [this.x, this.y] = [0, 0];
    this.pixels = this.fitted();
    this.untouched = true;
    this.changed();
  }

  private fitted(): number {
    return Math.min(this.width / 2 / this.extent[0], this.height / 2 / this.extent[1]) * 0.92;
  }

  /** Shows a place, from near. */
  visit(x: number, y: number): void {
    this.untouched = false;
    [this.x, this.y] = [x, y];
    this.pixels = Math.max(this.pixels, this.fitted() * 3);
    this.changed();
  }

  /** Makes things larger or smaller around a place of the window. */
  private zoom(factor: number, at: [number, number] = [this.width / 2, this.height / 2]): void {
    const least = this.fitted() * 0.5;
    const pixels = Math.min(Math.max(this.pixels * factor, least), least * 4000);
    const [right, up] = [at[0] - this.width / 2, this.height / 2 - at[1]];
    this.x += right / this.pixels - right / pixels;
    this.y += up / this.pixels - up / pixels;
    this.pixels = pixels;
    this.untouched = false;
    this.changed();
  }

  private pan(right: number, down: number): void {
    this.x -= right / this.pixels;
    this.y += down / this.pixels;
    this.untouched = false;
    this.changed();
  }

  private resize(): void {
    const { width, height } = (this.canvas.parentElement as Element).getBoundingClientRect();
    [this.width, this.height] = [Math.max(1, width), Math.max(1, height)];
    this.canvas.width = Math.round(this.width * devicePixelRatio);
    this.canvas.height = Math.round(this.height * devicePixelRatio);
    if (this.untouched) this.fit();
    else this.changed();
  }

  private within({ clientX, clientY }: { clientX: number; clientY: number }): [number, number] {
    const box = this.canvas.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  private byMouse(): void {
    const { canvas } = this;
    let last: [number, number] | null = null;
    let moved = false;
    canvas.addEventListener('mousedown', event => {
      last = [event.clientX, event.clientY];
      moved = false;
    });
    addEventListener('mousemove', event => {
      if (last) {
        const [right, down] = [event.clientX - last[0], event.clientY - last[1]];
        moved ||= Math.hypot(right, down) > 3;
        if (!moved) return;
        last = [event.clientX, event.clientY];
        this.pan(right, down);
        this.over(null, false);
      } else if (event.target === canvas) this.over(this.within(event), false);
    });
    addEventListener('mouseup', event => {
      if (last && !moved) this.over(this.within(event), true);
      last = null;
    });
    canvas.addEventListener('mouseleave', () => last || this.over(null, false));
    canvas.addEventListener('wheel', event => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(-event.deltaY * unit * 0.0016), this.within(event));
      this.over(null, false);
    }, { passive: false });
    canvas.addEventListener('dblclick', event => this.zoom(2, this.within(event)));
  }

  /** One finger moves or looks, two make larger. */
  private byTouch(): void {
    const { canvas } = this;
    const middle = (touches: TouchList): [number, number, number] => {
      const [a, b] = [touches[0] as Touch, touches[touches.length - 1] as Touch];
      const [x, y] = this.within({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
      return [x, y, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)];
    };
    let last: [number, number, number] | null = null;
    let moved = 0;
    canvas.addEventListener('touchstart', event => {
      event.preventDefault();
      moved = last === null ? 0 : moved;
      last = middle(event.touches);
    }, { passive: false });
    canvas.addEventListener('touchmove', event => {
      event.preventDefault();
      const now = middle(event.touches);
      if (last) {
        const [right, down] = [now[0] - last[0], now[1] - last[1]];
        moved += Math.hypot(right, down);
        if (moved > 6 || event.touches.length > 1) this.pan(right, down);
        if (event.touches.length > 1 && last[2] > 0) {
          moved = 100;
          this.zoom(now[2] / last[2], [now[0], now[1]]);
        }
      }
      last = now;
    }, { passive: false });
    canvas.addEventListener('touchend', event => {
      event.preventDefault();
      if (event.touches.length > 0) {
        last = middle(event.touches);
        return;
      }
      if (moved <= 6 && last) this.over([last[0], last[1]], true);
      last = null;
    }, { passive: false });
  }

  private byKeys(): void {
    const step = 80;
    const keys: Record<string, () => void> = {
      '+': () => this.zoom(1.3),
      '=': () => this.zoom(1.3),
      '-': () => this.zoom(1 / 1.3),
      '0': () => this.fit(),
      ArrowLeft: () => this.pan(step, 0),
      ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step),
      ArrowDown: () => this.pan(0, -step),
    };
    addEventListener('keydown', event => {
      if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = keys[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }
}
