//! Where everything of a picture goes: the map, the names of its topics without overlaps, the legend.

use super::bounds;
use super::colours::Colour;
use super::fonts::Fonts;
use super::legend::explained;
use super::scene::{Name, Scene};
use super::words::{Block, shortened};

/// What is drawn over the points.
#[derive(Debug, Clone)]
pub enum Mark {
    /// A line of words, from its left end on the line they stand on.
    Words {
        /// Themselves.
        text: String,
        /// Where they begin.
        at: [f32; 2],
        /// How wide they are.
        width: f32,
        /// The size of the letters.
        size: f32,
        /// Whether they are bold.
        bold: bool,
        /// Their colour.
        colour: Colour,
        /// Whether paper is left around them, so that they can be read on points.
        halo: bool,
    },
    /// A straight line.
    Line {
        /// One end.
        from: [f32; 2],
        /// The other.
        to: [f32; 2],
        /// Its colour.
        colour: Colour,
        /// How wide it is.
        width: f32,
    },
    /// A disc.
    Disc {
        /// Its middle.
        at: [f32; 2],
        /// From there to its edge.
        radius: f32,
        /// Its colour.
        colour: Colour,
    },
    /// A rectangle.
    Block {
        /// Its upper left corner.
        at: [f32; 2],
        /// How wide and high it is.
        size: [f32; 2],
        /// Its colour.
        colour: Colour,
    },
}

/// A picture of which every place is known, in pixels.
pub struct Layout {
    /// Where points are.
    pub places: Vec<[f32; 2]>,
    /// How large they are, from the middle.
    pub radius: f32,
    /// How much of what is below them they cover.
    pub opacity: f32,
    /// What is drawn over them.
    pub marks: Vec<Mark>,
}

/// A rectangle: left, top, right, bottom.
type Space = [f32; 4];

fn overlap(a: &Space, b: &Space) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Where everything of a scene goes in a picture of this size.
pub fn laid_out(scene: &Scene, fonts: &Fonts, width: u32, height: u32) -> Layout {
    // Pictures have few pixels beside what f32 counts exactly.
    let (width, height) = (width as f32, height as f32);
    let unit = (width * height).sqrt() / 1400.0;
    let margin = 36.0 * unit;
    let mut marks = Vec::new();
    let mut area = [margin, margin, width - margin, height - margin];
    if let Some(title) = &scene.title {
        let size = 30.0 * unit;
        let text = shortened(title, (width - 2.0 * margin) / size, &|t| fonts.width(t, true));
        let wide = fonts.width(&text, true) * size;
        marks.push(Mark::Words {
            text,
            at: [margin, margin + 0.75 * size],
            width: wide,
            size,
            bold: true,
            colour: scene.theme.ink,
            halo: false,
        });
        area[1] += 1.7 * size;
    }
    if let Some(legend) = &scene.legend {
        let (more, wide) = explained(scene, fonts, legend, unit, [area[2], area[1]], width * 0.28);
        marks.extend(more);
        area[2] -= wide + margin;
    }
    let view = View::new(&scene.places, &area);
    let places: Vec<[f32; 2]> = scene.places.iter().map(|place| view.at(*place)).collect();
    let names = named(scene, fonts, &view, &area, unit);
    marks.splice(0..0, names);
    let (radius, opacity) = dots(scene.places.len(), &area, unit);
    Layout { places, radius, opacity, marks }
}

/// How large and how clear so many points are drawn.
fn dots(count: usize, area: &Space, unit: f32) -> (f32, f32) {
    let room = (area[2] - area[0]) * (area[3] - area[1]);
    // A part of the paper is covered, however many there are.
    let each = 0.19 * room / (count.max(1) as f32 * std::f32::consts::PI);
    let radius = each.sqrt().clamp(0.65 * unit, 4.2 * unit);
    let opacity = match count {
        0..3_000 => 0.9,
        3_000..20_000 => 0.8,
        20_000..200_000 => 0.6,
        _ => 0.45,
    };
    (radius, opacity)
}

/// How places of the map become those of the picture.
struct View {
    scale: f32,
    from: [f32; 2],
    to: [f32; 2],
}

impl View {
    fn new(places: &[[f32; 2]], area: &Space) -> Self {
        let [low, high] = bounds(places);
        let side = |axis: usize| (high[axis] - low[axis]).max(1e-9);
        let scale = ((area[2] - area[0]) / side(0)).min((area[3] - area[1]) / side(1));
        Self {
            scale,
            from: [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0],
            to: [(area[0] + area[2]) / 2.0, (area[1] + area[3]) / 2.0],
        }
    }

    fn at(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.to[0] + (x - self.from[0]) * self.scale, self.to[1] - (y - self.from[1]) * self.scale]
    }
}

/// The names of topics: the general ones first, then the large ones, each where there is room for it.
fn named(scene: &Scene, fonts: &Fonts, view: &View, area: &Space, unit: f32) -> Vec<Mark> {
    let largest = |depth: i32| {
        let sizes = scene.names.iter().filter(|name| name.depth == depth).map(|name| name.size);
        sizes.max().unwrap_or(1).max(1) as f32
    };
    let rows = scene.places.len().max(1) as f32;
    let reach = (area[2] - area[0]).min(area[3] - area[1]);
    let (mut taken, mut marks, mut lines): (Vec<Space>, Vec<Mark>, Vec<Mark>) = Default::default();
    for name in &scene.names {
        // About as far as the topic reaches, if rows lay evenly: what is smaller than letters has no name.
        let wide = (name.size.max(0) as f32 / rows).sqrt() * reach;
        if wide < 22.0 * unit || name.text.trim().is_empty() {
            continue;
        }
        let general = name.depth <= 1;
        let share = (name.size.max(0) as f32 / largest(name.depth)).sqrt().min(1.0);
        let size = unit * if general { 17.0 + 11.0 * share } else { 13.5 + 2.5 * share };
        let block = Block::new(fonts, &name.text, size, general);
        let middle = view.at(name.place);
        let Some((at, space)) = free(&block, middle, &taken, area, general) else { continue };
        taken.push(space);
        let away = (at[0] - middle[0]).hypot(at[1] - middle[1]);
        if away > block.height() {
            lines.push(leader(middle, at, &space, scene.theme.soft, unit));
        }
        marks.extend(block.marks(at, ink(scene, name)));
    }
    lines.append(&mut marks);
    lines
}

/// Words in the colour of what they name are darker, or lighter on dark paper, so that they can be read.
fn ink(scene: &Scene, name: &Name) -> Colour {
    match name.colour {
        Some(colour) => scene.colour(colour).towards(scene.theme.ink, 0.5),
        None => scene.theme.ink,
    }
}

/// A place for words near a middle, and the space that they take.
fn free(
    block: &Block,
    middle: [f32; 2],
    taken: &[Space],
    area: &Space,
    far: bool,
) -> Option<([f32; 2], Space)> {
    let (w, h) = (block.width(), block.height());
    let room = block.size * 0.22;
    let steps: &[f32] = if far { &[0.0, 0.55, 0.8, 1.1, 1.5] } else { &[0.0, 0.55, 0.8] };
    for step in steps {
        for (right, down) in [
            (0.0, 1.0),
            (0.0, -1.0),
            (1.0, 0.0),
            (-1.0, 0.0),
            (0.8, 0.8),
            (-0.8, 0.8),
            (0.8, -0.8),
            (-0.8, -0.8),
        ] {
            let x = middle[0] + right * step * (w / 2.0 + h);
            let y = middle[1] + down * step * h * 1.4;
            // All of it is in the picture.
            let x = x.clamp(area[0] + w / 2.0, (area[2] - w / 2.0).max(area[0] + w / 2.0));
            let y = y.clamp(area[1] + h / 2.0, (area[3] - h / 2.0).max(area[1] + h / 2.0));
            let space =
                [x - w / 2.0 - room, y - h / 2.0 - room, x + w / 2.0 + room, y + h / 2.0 + room];
            if !taken.iter().any(|other| overlap(&space, other)) {
                return Some(([x, y], space));
            }
            if *step == 0.0 {
                break;
            }
        }
    }
    None
}

/// A line from what is named to its name, up to the edge of that.
fn leader(middle: [f32; 2], at: [f32; 2], space: &Space, colour: Colour, unit: f32) -> Mark {
    let to = [middle[0].clamp(space[0], space[2]), middle[1].clamp(space[1], space[3])];
    let to = if to == middle { at } else { to };
    Mark::Line { from: middle, to, colour, width: 0.9 * unit }
}

#[cfg(test)]
mod tests {
    use super::super::colours::LIGHT;
    use super::*;

    fn scene(names: usize) -> Scene {
        let place = |at: usize| [(at % 17) as f32, (at % 13) as f32];
        let name = |at: usize| Name {
            text: format!("a name of topic {at}"),
            place: place(at),
            size: 100 - at as i64,
            depth: 1,
            colour: Some(0),
        };
        Scene::of(
            (0..500).map(place).collect(),
            vec![0; 500],
            (0..names).map(name).collect(),
            LIGHT,
        )
    }

    #[test]
    fn names_do_not_overlap_and_stay_inside() {
        let scene = scene(60);
        let fonts = Fonts::with(scene.words());
        let layout = laid_out(&scene, &fonts, 800, 600);
        let spaces: Vec<(usize, Space)> = layout
            .marks
            .iter()
            .enumerate()
            .filter_map(|(at, mark)| match mark {
                Mark::Words { at: [x, y], width, size, .. } => {
                    Some((at, [*x, y - 0.7 * size, x + width, *y]))
                }
                _ => None,
            })
            .collect();
        assert!(spaces.len() > 20, "{}", spaces.len());
        for (at, space) in &spaces {
            assert!(space[0] >= 0.0 && space[1] >= 0.0 && space[2] <= 800.0 && space[3] <= 600.0);
            let others = spaces.iter().filter(|(other, _)| other > at);
            assert!(others.clone().all(|(_, other)| !overlap(space, other)));
        }
        for [x, y] in &layout.places {
            assert!((0.0..=800.0).contains(x) && (0.0..=600.0).contains(y));
        }
    }
}
