//! Where models run: on the processor, or on a device that the build was made for.

use crate::error::{Error, Result};

/// Where models run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// On the processor.
    #[default]
    Cpu,
    /// On an NVIDIA GPU.
    Cuda,
    /// On Apple's GPU.
    Metal,
}

/// A device that tensors lie on.
#[derive(Debug, Clone)]
pub struct Accelerator(candle_core::Device);

impl Device {
    /// Its name in SQL, and that of the feature it is built with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// The device of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cpu, Self::Cuda, Self::Metal].into_iter().find(|device| device.name() == name)
    }

    /// An error where this build cannot use it.
    pub fn check(self) -> Result<()> {
        let built = match self {
            Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        };
        if built {
            return Ok(());
        }
        let name = self.name();
        Err(Error::Device(format!(
            "portolan.device is '{name}', which this build cannot use; build it with --features {name}, or SET portolan.device = 'cpu'"
        )))
    }

    /// The device, where it is another than the processor.
    pub fn open(self) -> Result<Option<Accelerator>> {
        self.check()?;
        let opened = match self {
            Self::Cpu => return Ok(None),
            Self::Cuda => candle_core::Device::new_cuda(0),
            Self::Metal => candle_core::Device::new_metal(0),
        };
        opened.map(|device| Some(Accelerator(device))).map_err(|error| {
            Error::Device(format!(
                "portolan.device is '{}', but none could be opened: {}; SET portolan.device = 'cpu'",
                self.name(),
                reason(&error)
            ))
        })
    }
}

impl Accelerator {
    /// The processor, taken for a device: what is written for devices can be tried out on it.
    pub fn processor() -> Self {
        Self(candle_core::Device::Cpu)
    }

    pub(crate) fn tensors(&self) -> &candle_core::Device {
        &self.0
    }
}

/// What a device says went wrong, while a model runs on it.
pub(crate) fn failure(error: candle_core::Error) -> Error {
    Error::Device(format!(
        "the device could not run the model: {}; SET portolan.batch_tokens to less, or SET portolan.device = 'cpu'",
        reason(&error)
    ))
}

/// The first line: what follows are places in the program.
fn reason(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for device in [Device::Cpu, Device::Cuda, Device::Metal] {
            assert_eq!(Device::from_name(device.name()), Some(device));
        }
        assert_eq!(Device::from_name("tpu"), None);
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_device_that_is_not_built_in_is_refused() {
        assert!(matches!(Device::Cpu.open(), Ok(None)));
        assert_eq!(
            Device::Cuda.open().unwrap_err().to_string(),
            "portolan.device is 'cuda', which this build cannot use; build it with --features cuda, or SET portolan.device = 'cpu'"
        );
    }
}
