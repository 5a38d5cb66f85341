//! A network that is built into the program.

use std::sync::Arc;

use tract_onnx::prelude::*;

/// What goes wrong with a model; the program is broken, not the picture.
#[derive(Debug, thiserror::Error)]
#[error("face model `{model}`: {message}")]
pub struct FaceError {
    model: &'static str,
    message: String,
}

impl FaceError {
    pub(super) fn new(model: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { model, message }
    }
}

/// An optimised network of one input.
#[derive(Debug, Clone)]
pub struct Model {
    name: &'static str,
    /// Side of its square input in pixels.
    side: usize,
    plan: Arc<TypedRunnableModel>,
}

impl Model {
    pub fn load(name: &'static str, onnx: &[u8], side: usize) -> Result<Self, FaceError> {
        let plan = || -> TractResult<_> {
            let mut onnx = onnx;
            tract_onnx::onnx()
                .model_for_read(&mut onnx)?
                .with_input_fact(0, f32::fact([1, side, side, 3]).into())?
                .into_optimized()?
                .into_runnable()
        };
        let plan = plan().map_err(|e| Self::error(name, &e))?;
        Ok(Self { name, side, plan })
    }

    /// Side of its square input in pixels.
    pub fn side(&self) -> u32 {
        self.side as u32
    }

    /// All its outputs, flat. `input`: rows of RGB values, `3 * side * side`.
    pub fn run(&self, input: &[f32]) -> Result<Vec<Vec<f32>>, FaceError> {
        let run = || -> TractResult<_> {
            let shape = [1, self.side, self.side, 3];
            let outputs = self
                .plan
                .run(tvec!(Tensor::from_shape(&shape, input)?.into()))?;
            outputs
                .iter()
                .map(|o| Ok(o.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
                .collect()
        };
        run().map_err(|e| Self::error(self.name, &e))
    }

    /// Its outputs are not those it was chosen for.
    pub fn misfit(&self) -> FaceError {
        FaceError::new(self.name, "its outputs have another shape")
    }

    fn error(model: &'static str, error: &TractError) -> FaceError {
        FaceError::new(model, format!("{error:#}"))
    }
}

/// The logistic function, without overflow.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x.clamp(-80.0, 80.0)).exp())
}
