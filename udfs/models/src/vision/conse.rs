//! Images among texts without a network that was trained on both: the names of the classes that
//! EfficientNet-Lite0 sees in a picture, as vectors of a text model, averaged by how likely they are
//! (ConSE, Norouzi et al. 2014). Good for what ImageNet knows, weak for all else.

use super::efficientnet::{CLASSES, EfficientNet};
use super::{ImageModel, Workspace};
use crate::error::{Error, Result};
use crate::image::{Input, Preprocessing};
use crate::vector;

/// Classes that have a say.
const LIKELIEST: usize = 10;

/// The classifier, and its classes as vectors.
pub struct Conse {
    network: EfficientNet,
    classes: Vec<f32>,
    dims: usize,
}

impl Conse {
    /// `embed` gives the vectors of texts, one after another.
    pub fn new(
        network: EfficientNet,
        embed: impl FnOnce(&[String]) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let texts: Vec<String> = class_names().map(|name| format!("a photo of a {name}")).collect();
        let classes = embed(&texts)?;
        let dims = classes.len() / CLASSES;
        if dims == 0 || classes.len() != dims * CLASSES {
            return Err(Error::Argument(format!(
                "the text model gave {} numbers for the {CLASSES} classes",
                classes.len()
            )));
        }
        Ok(Self { network, classes, dims })
    }
}

/// The names of ImageNet's classes, in their order.
pub fn class_names() -> impl Iterator<Item = &'static str> {
    include_str!("imagenet.txt").lines().filter(|line| !line.starts_with('#'))
}

impl ImageModel for Conse {
    fn preprocessing(&self) -> &Preprocessing {
        self.network.preprocessing()
    }

    fn dims(&self) -> usize {
        self.dims
    }

    fn flops(&self) -> u64 {
        self.network.flops()
    }

    fn pictures(&self) -> usize {
        self.network.pictures()
    }

    fn run(
        &self,
        images: &[&Input],
        space: &mut Workspace,
        out: &mut Vec<f32>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut features = Vec::new();
        self.network.features(images, space, &mut features, stopped)?;
        let logits = self.network.logits(&features);
        for logits in logits.chunks_exact(CLASSES) {
            let from = out.len();
            out.resize(from + self.dims, 0.0);
            let vector = &mut out[from..];
            for (class, share) in likeliest(logits) {
                let name = &self.classes[class * self.dims..][..self.dims];
                for (x, y) in vector.iter_mut().zip(name) {
                    *x += share * y;
                }
            }
            vector::l2(vector);
        }
        Ok(())
    }
}

/// The classes that have a say, the likeliest first, and how likely each is next to the first.
fn likeliest(logits: &[f32]) -> Vec<(usize, f32)> {
    let mut classes: Vec<(usize, f32)> = logits.iter().copied().enumerate().collect();
    classes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    classes.truncate(LIKELIEST);
    let most = classes.first().map_or(0.0, |(_, logit)| *logit);
    classes.into_iter().map(|(class, logit)| (class, (logit - most).exp())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_name_for_every_class() {
        let names: Vec<_> = class_names().collect();
        assert_eq!(names.len(), CLASSES);
        assert_eq!((names[0], names[281], names[999]), ("tench", "tabby", "toilet tissue"));
    }

    #[test]
    fn the_likeliest_classes_weigh_as_their_probabilities() {
        let mut logits = vec![0.0; CLASSES];
        (logits[7], logits[3]) = (5.0, 5.0 - 2f32.ln());
        let classes = likeliest(&logits);
        assert_eq!(classes.len(), LIKELIEST);
        assert_eq!((classes[0].0, classes[1].0), (7, 3));
        assert!((classes[1].1 - 0.5).abs() < 1e-6);
        assert!((classes[2].1 - (-5f32).exp()).abs() < 1e-6);
    }
}
