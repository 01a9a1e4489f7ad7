//! Maps as those see them who look at them: points in the order in which they are stored, what is looked for on
//! them, what their rows say.

mod in_order;
mod places;
mod sought;

pub use in_order::{Column, InOrder, KEY, Kind, Whose, is_bytes, is_text, quoted};
pub use places::Places;
pub use sought::Sought;
