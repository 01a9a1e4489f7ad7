//! The order in which points are stored: coarse levels first, each a sample of all rows, and within a
//! level along a curve that passes through near places one after another. So the first so many points
//! are a fair sample of the map, and what a window shows of a level lies in few ranges.

use portolan_kernels::random::number;

/// Points of the first level; every further one makes four times as many with those before it.
const FIRST: usize = 1024;
/// Bits of a coordinate in a cell's number.
const BITS: u32 = 16;

/// Where a point is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The level, from 0.
    pub level: i16,
    /// The number of its cell on the curve.
    pub cell: u32,
    /// Chance, which orders what lies in one cell.
    chance: u64,
}

/// The slots of points, by their places and lasting numbers.
pub fn slots(places: &[[f32; 2]], row_ids: &[u64], seed: u64) -> Vec<Slot> {
    let chances: Vec<u64> = row_ids.iter().map(|id| number(seed, 0, *id)).collect();
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|&row| (chances[row], row_ids[row]));
    let (low, scale) = bounds(places);
    let mut slots = vec![Slot { level: 0, cell: 0, chance: 0 }; places.len()];
    let (mut level, mut until) = (0, FIRST);
    for (rank, &row) in order.iter().enumerate() {
        if rank == until {
            level += 1;
            until = until.saturating_mul(4);
        }
        let [x, y] = places[row];
        let cell = spread(quantised(x, low[0], scale)) | spread(quantised(y, low[1], scale)) << 1;
        slots[row] = Slot { level, cell, chance: chances[row] };
    }
    slots
}

/// The lower corner of a square around all, and how many steps there are to a unit.
fn bounds(places: &[[f32; 2]]) -> ([f32; 2], f32) {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for place in places {
        for axis in 0..2 {
            low[axis] = low[axis].min(place[axis]);
            high[axis] = high[axis].max(place[axis]);
        }
    }
    let side = (high[0] - low[0]).max(high[1] - low[1]);
    let steps = ((1u32 << BITS) - 1) as f32;
    (low, if side > 0.0 { steps / side } else { 0.0 })
}

fn quantised(x: f32, low: f32, scale: f32) -> u32 {
    // Not negative, and as many steps as fit.
    (((x - low) * scale) as u32).min((1 << BITS) - 1)
}

/// Every bit with room for another one behind it.
fn spread(x: u32) -> u32 {
    let mut x = x & 0xffff;
    x = (x | x << 8) & 0x00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f;
    x = (x | x << 2) & 0x3333_3333;
    (x | x << 1) & 0x5555_5555
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> (Vec<[f32; 2]>, Vec<u64>) {
        let places = (0..10_000u16).map(|i| [f32::from(i % 100), f32::from(i / 100)]).collect();
        (places, (0..10_000).collect())
    }

    #[test]
    fn levels_are_samples_of_all() {
        let (places, ids) = grid();
        let slots = slots(&places, &ids, 42);
        let count = |level: i16| slots.iter().filter(|slot| slot.level <= level).count();
        assert_eq!((count(0), count(1), count(2)), (1024, 4096, 10_000));
        // A quarter of the first level lies in each quarter of the map, give or take.
        for quarter in 0..4usize {
            let there = slots.iter().zip(&places).filter(|(slot, [x, y])| {
                let at = usize::from(*x >= 50.0) + 2 * usize::from(*y >= 50.0);
                slot.level == 0 && at == quarter
            });
            let there = there.count();
            assert!((200..=312).contains(&there), "{there}");
        }
    }

    #[test]
    fn a_quarter_of_the_map_is_a_range_of_cells() {
        let (places, ids) = grid();
        let slots = slots(&places, &ids, 42);
        for (slot, [x, y]) in slots.iter().zip(&places) {
            // The highest two bits of a cell say in which quarter it is.
            let quarter = u32::from(*x >= 50.0) | u32::from(*y >= 50.0) << 1;
            assert_eq!(slot.cell >> (2 * BITS - 2), quarter, "{x} {y}");
        }
    }

    #[test]
    fn the_order_of_rows_is_not_seen() {
        let (places, ids) = grid();
        let straight = slots(&places, &ids, 1);
        let reversed: Vec<[f32; 2]> = places.iter().rev().copied().collect();
        let their_ids: Vec<u64> = ids.iter().rev().copied().collect();
        let mut backwards = slots(&reversed, &their_ids, 1);
        backwards.reverse();
        assert_eq!(straight, backwards);
    }

    #[test]
    fn one_place_for_all() {
        let slots = slots(&[[3.0, 3.0]; 3], &[7, 8, 9], 1);
        assert!(slots.iter().all(|slot| slot.cell == 0 && slot.level == 0));
    }
}
