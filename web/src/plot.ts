// The map as it is drawn: points, their colours, and how a person moves over them.

import createScatterplot from 'regl-scatterplot';
import { eachFrame } from './dom';
import { dots, growth, type Part, type Places, room, scaleOf, screen, type View } from './view';

export interface Drawn {
  x: Float32Array;
  y: Float32Array;
  count: number;
  /** The number of each point's colour. */
  colours: Uint16Array;
  palette: string[];
  /** Which points stand back; all are in front without. */
  back: Uint8Array | null;
}

export interface Handlers {
  over(at: number | null): void;
  /** A click on a point, or on none. */
  pick(at: number | null): void;
  /** Points within a line that was drawn. */
  lasso(points: number[]): void;
  view(): void;
}

export class Plot {
  private readonly plot: ReturnType<typeof createScatterplot>;
  private readonly resizes: ResizeObserver;
  private drawn: Drawn | null = null;
  private busy = false;
  private stale = false;
  private drawnCount = -1;
  private lassoing = false;
  private width = 1;
  private height = 1;
  /** Whether a finger was there last, which rests on nothing without pressing it. */
  byFinger = false;
  /** Whether nobody has moved the map yet: then it keeps being fitted. */
  private untouched = true;
  /** What is seen at first. */
  private home: Part;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    /** How far the map reaches from the middle of the square, to the sides and up. */
    private readonly all: [number, number],
    handlers: Handlers,
  ) {
    [this.width, this.height] = room(canvas);
    this.plot = scatterplot(canvas, this.size);
    this.home = { x: 0, y: 0, extent: all };
    const view = eachFrame(() => handlers.view());
    this.plot.subscribe('view', view);
    let hovered: number | null = null;
    const over = (at: number | null): void => {
      hovered = at;
      handlers.over(at);
    };
    this.plot.subscribe('pointOver', over);
    this.plot.subscribe('pointOut', () => over(null));
    let encircling = false;
    let encircled = 0;
    this.plot.subscribe('lassoStart', () => (encircling = true));
    this.plot.subscribe('lassoEnd', () => {
      encircling = false;
      encircled = performance.now();
    });
    this.plot.subscribe('select', ({ points }: { points: number[] }) => {
      // What is selected is shown by what stands back; and the same may be chosen again.
      queueMicrotask(() => this.plot.deselect({ preventEvent: true }));
      if (encircling) handlers.lasso([...points]);
      // A line that ends where it began is no click.
      else if (performance.now() - encircled > 100) handlers.pick(points[0] ?? null);
    });
    let pressed: [number, number] = [0, 0];
    canvas.addEventListener('mousedown', ({ clientX, clientY }) => (pressed = [clientX, clientY]));
    canvas.addEventListener('click', ({ clientX, clientY }) => {
      const still = Math.hypot(clientX - pressed[0], clientY - pressed[1]) < 4;
      if (still && hovered === null && !this.lassoing && performance.now() - encircled > 100) handlers.pick(null);
    });
    const touched = (): void => void (this.untouched = false);
    canvas.addEventListener('wheel', touched, { passive: true });
    canvas.addEventListener('mousedown', touched, { passive: true });
    this.byTouch(handlers);
    this.resizes = new ResizeObserver(() => this.resize(handlers));
    this.resizes.observe(canvas.parentElement as Element);
  }

  /** Shows these points; soon, and only the last of many. */
  show(drawn: Drawn): void {
    this.drawn = drawn;
    this.stale = true;
    this.canvas.dataset['busy'] = 'true';
    void this.keepUp();
  }

  private async keepUp(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    while (this.stale && this.drawn) {
      this.stale = false;
      const { x, y, colours, palette, back, count } = this.drawn;
      const same = count === this.drawnCount;
      this.plot.set({ colorBy: 'valueA', pointColor: palette, pointColorActive: palette, pointColorHover: palette, ...this.dots(count) } as never);
      const order = back ? inFront(back, count) : null;
      if (same) this.plot.set({ pointOrder: order } as never);
      const points = { x: x.subarray(0, count), y: y.subarray(0, count), z: colours.subarray(0, count) };
      const index = same ? { spatialIndex: this.plot.get('spatialIndex') } : {};
      await this.plot.draw(points, { zDataType: 'categorical', ...index } as never);
      // Among more points than before, an order is of no use until these are there.
      if (!same && order) this.plot.set({ pointOrder: order } as never);
      this.drawnCount = count;
      this.canvas.dataset['drawn'] = String(count);
    }
    this.busy = false;
    delete this.canvas.dataset['busy'];
  }

  /** What is seen now. */
  get view(): View {
    const view = this.matrix();
    const scale = view[0] as number;
    return { x: -(view[12] as number) / scale, y: -(view[13] as number) / scale, scale };
  }

  see({ x, y, scale }: View, isFit = false): void {
    this.untouched = isFit;
    const view = new Float32Array([scale, 0, 0, 0, 0, scale, 0, 0, 0, 0, 1, 0, -x * scale, -y * scale, 0, 1]);
    (this.plot as unknown as { view(view: Float32Array): void }).view(view);
  }

  /** Shows the map. */
  fit(): void {
    const { x, y } = this.home;
    this.see({ x, y, scale: this.fitted() }, true);
  }

  /** The part of the square that is the map to those who have not moved it. */
  settle(home: Part): void {
    this.home = home;
    if (this.untouched) this.fit();
  }

  /** The scale at which the map is to be seen. */
  fitted(): number {
    return scaleOf(this.home.extent, this.size);
  }

  /** Makes things larger or smaller around the middle. */
  zoom(factor: number): void {
    const { x, y, scale } = this.view;
    this.see({ x, y, scale: scale * factor });
  }

  /** Moves by parts of the window. */
  pan(right: number, up: number): void {
    const { x, y, scale } = this.view;
    const aspect = this.width / this.height;
    this.see({ x: x + (right * 2 * aspect) / scale, y: y + (up * 2) / scale, scale });
  }

  /** Where a place of the square is in the window. */
  screen(x: number, y: number): [number, number] {
    return screen(this.view, this.size, x, y);
  }

  /** The same in the window of the browser. */
  inWindow(x: number, y: number): [number, number] {
    const [left, top] = this.screen(x, y);
    const box = this.canvas.getBoundingClientRect();
    return [left + box.left, top + box.top];
  }

  /** Puts a ring around a point; none hides it. */
  ring(ring: HTMLElement, at: number | null, { x, y }: Places): void {
    ring.hidden = at === null;
    if (at === null) return;
    const [left, top] = this.screen(x[at] ?? 0, y[at] ?? 0);
    ring.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** Shows some points as near as they can be seen together, with others around them. */
  around(points: number[], { x, y }: Places): void {
    if (points.length === 0) return;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const at of points) {
      [left, right] = [Math.min(left, x[at] ?? 0), Math.max(right, x[at] ?? 0)];
      [bottom, top] = [Math.min(bottom, y[at] ?? 0), Math.max(top, y[at] ?? 0)];
    }
    const most = this.fitted() * 8;
    const scale = Math.min(most, (1.2 * this.width) / this.height / (right - left || 1e-9), 1.2 / (top - bottom || 1e-9));
    this.see({ x: (left + right) / 2, y: (bottom + top) / 2, scale: Math.max(scaleOf(this.all, this.size), scale) });
  }

  /** Lets go of what it draws with. */
  end(): void {
    this.resizes.disconnect();
    this.plot.destroy();
  }

  /** Pixels of one unit of the square. */
  get pixels(): number {
    return ((this.matrix()[0] as number) * this.height) / 2;
  }

  get size(): [number, number] {
    return [this.width, this.height];
  }

  /** Whether drawing a line selects what is within. */
  set lassoMode(on: boolean) {
    this.lassoing = on;
    this.plot.set({ mouseMode: on ? 'lasso' : 'panZoom' });
  }

  get lassoMode(): boolean {
    return this.lassoing;
  }

  set lassoColour(colour: string) {
    this.plot.set({ lassoColor: colour } as never);
  }

  /** How large and how clear so many points are drawn: where the whole is seen, the same on every map. */
  private dots(count: number): { pointSize: number; opacity: number } {
    const { pointSize, opacity } = dots(count, this.width);
    return { pointSize: pointSize / growth(this.fitted()), opacity };
  }

  private matrix(): ArrayLike<number> {
    return this.plot.get('cameraView') as unknown as ArrayLike<number>;
  }

  private resize(handlers: Handlers): void {
    const [width, height] = room(this.canvas);
    if (width < 1 || height < 1 || (width === this.width && height === this.height)) return;
    [this.width, this.height] = [width, height];
    this.plot.set({ width, height, ...(this.drawn ? this.dots(this.drawn.count) : {}) } as never);
    if (this.untouched) this.fit();
    handlers.view();
  }

  /** The point in front that a finger means: the nearest that it covers. */
  private nearest(x: number, y: number): number | null {
    if (!this.drawn) return null;
    const { drawn, pixels } = this;
    const [left, top] = this.screen(0, 0);
    const [px, py] = [(x - left) / pixels, (top - y) / pixels];
    let [nearest, least] = [null as number | null, (FINGER / pixels) ** 2];
    for (let at = 0; at < drawn.count; at++) {
      if (drawn.back?.[at]) continue;
      const away = ((drawn.x[at] as number) - px) ** 2 + ((drawn.y[at] as number) - py) ** 2;
      if (away < least) [nearest, least] = [at, away];
    }
    return nearest;
  }

  /** Fingers: one moves or picks, or draws a line; two make larger. */
  private byTouch(handlers: Handlers): void {
    const { canvas } = this;
    let pinch: { distance: number; view: View; x: number; y: number } | null = null;
    const asMouse = (kind: string, target: EventTarget, touch: Touch): void => {
      target.dispatchEvent(
        new MouseEvent(kind, { bubbles: true, cancelable: true, clientX: touch.clientX, clientY: touch.clientY, button: 0, buttons: kind === 'mouseup' ? 0 : 1 }),
      );
    };
    const two = (event: TouchEvent): [number, number, number] => {
      const [a, b] = [event.touches[0] as Touch, event.touches[1] as Touch];
      const box = canvas.getBoundingClientRect();
      return [(a.clientX + b.clientX) / 2 - box.left, (a.clientY + b.clientY) / 2 - box.top, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)];
    };
    for (const kind of ['pointerdown', 'pointermove'] as const) {
      addEventListener(kind, ({ pointerType }) => (this.byFinger = pointerType === 'touch'), { capture: true });
    }
    let drag: { x: number; y: number; view: View; moved: boolean } | null = null;
    canvas.addEventListener('touchstart', event => {
      event.preventDefault();
      const touch = event.touches[0] as Touch;
      if (event.touches.length === 2) {
        drag = null;
        const [x, y, distance] = two(event);
        pinch = { distance, view: this.view, x, y };
      } else if (this.lassoing) {
        asMouse('mousemove', window, touch);
        asMouse('mousedown', canvas, touch);
      } else drag = { x: touch.clientX, y: touch.clientY, view: this.view, moved: false };
    }, { passive: false });
    canvas.addEventListener('touchmove', event => {
      event.preventDefault();
      const half = this.height / 2;
      const touch = event.touches[0] as Touch;
      if (pinch && event.touches.length === 2) {
        const [x, y, distance] = two(event);
        const scale = pinch.view.scale * (distance / Math.max(1, pinch.distance));
        // The place between the fingers stays between them.
        const [px, py] = [(pinch.x - this.width / 2) / half, (half - pinch.y) / half];
        const [nx, ny] = [(x - this.width / 2) / half, (half - y) / half];
        this.see({ x: pinch.view.x + px / pinch.view.scale - nx / scale, y: pinch.view.y + py / pinch.view.scale - ny / scale, scale });
      } else if (drag) {
        const [right, down] = [touch.clientX - drag.x, touch.clientY - drag.y];
        drag.moved ||= Math.hypot(right, down) > 6;
        const { x, y, scale } = drag.view;
        if (drag.moved) this.see({ x: x - right / half / scale, y: y + down / half / scale, scale });
      } else if (!pinch) asMouse('mousemove', window, touch);
    }, { passive: false });
    const end = (event: TouchEvent): void => {
      event.preventDefault();
      const touch = event.changedTouches[0];
      if (touch && drag && !drag.moved) {
        const box = canvas.getBoundingClientRect();
        handlers.pick(this.nearest(touch.clientX - box.left, touch.clientY - box.top));
      } else if (touch && this.lassoing && !pinch) asMouse('mouseup', window, touch);
      drag = null;
      if (event.touches.length === 0) pinch = null;
    };
    canvas.addEventListener('touchend', end, { passive: false });
    canvas.addEventListener('touchcancel', end, { passive: false });
  }
}

/** What points are drawn with. */
function scatterplot(canvas: HTMLCanvasElement, [width, height]: [number, number]): ReturnType<typeof createScatterplot> {
  return createScatterplot({
    canvas,
    width,
    height,
    lassoColor: '#d9485f',
    lassoMinDelay: 8,
    lassoMinDist: 3,
    lassoLineWidth: 1.5,
    pointSize: 4,
    pointSizeSelected: 0,
    pointOutlineWidth: 0,
    opacity: 0.85,
    showReticle: false,
    deselectOnDblClick: false,
    actionKeyMap: { lasso: 'shift' },
    syncEvents: true,
  } as Parameters<typeof createScatterplot>[0]);
}

/** How far from its middle a finger covers the map, in pixels. */
const FINGER = 18;

/** The order of drawing: what stands back first. What is not named comes after it. */
function inFront(back: Uint8Array, count: number): number[] {
  const order: number[] = [];
  for (let at = 0; at < count; at++) if (back[at]) order.push(at);
  return order;
}
