//! Landmarks without their trembling.

use super::texture::eyes;
use crate::face::Mesh;

/// Cutoff of a still face and how it rises with speed; One Euro filter (Casiez et al. 2012).
/// Speeds are in distances of the eyes a second.
const CUTOFF_HZ: f32 = 1.5;
const RISE: f32 = 8.0;
const SPEED_CUTOFF_HZ: f32 = 2.0;

/// Smoothed meshes of a clip at `seconds` (ascending), `None` where there is no face. The filter
/// runs forwards and backwards and the two are averaged, so that nothing lags behind.
pub fn smoothed(meshes: &[Option<Mesh>], seconds: &[f64]) -> Vec<Option<Mesh>> {
    let forwards = filtered(meshes.iter().zip(seconds.iter().copied()));
    let turned = seconds.iter().map(|s| -s);
    let mut backwards = filtered(meshes.iter().zip(turned).rev());
    backwards.reverse();
    let both = forwards.into_iter().zip(backwards);
    both.map(|(a, b)| {
        let (mut a, b) = (a?, b?);
        for (p, q) in a.points.iter_mut().zip(&b.points) {
            for (p, q) in p.iter_mut().zip(q) {
                *p = (*p + q) / 2.0;
            }
        }
        Some(a)
    })
    .collect()
}

struct State {
    at: f64,
    raw: Mesh,
    mesh: Mesh,
    speeds: Vec<[f32; 3]>,
}

fn filtered<'a>(frames: impl Iterator<Item = (&'a Option<Mesh>, f64)>) -> Vec<Option<Mesh>> {
    let mut state: Option<State> = None;
    let mut out = Vec::new();
    for (mesh, at) in frames {
        let Some(mesh) = mesh else {
            state = None;
            out.push(None);
            continue;
        };
        state = Some(match state {
            Some(before) if at > before.at => before.next(mesh, at),
            _ => State {
                at,
                raw: mesh.clone(),
                mesh: mesh.clone(),
                speeds: vec![[0.0; 3]; mesh.points.len()],
            },
        });
        out.push(state.as_ref().map(|s| s.mesh.clone()));
    }
    out
}

impl State {
    fn next(mut self, mesh: &Mesh, at: f64) -> Self {
        let step = (at - self.at) as f32;
        let unit = eyes(mesh).max(1.0);
        let weight = |cutoff: f32| {
            let r = std::f32::consts::TAU * cutoff * step;
            r / (r + 1.0)
        };
        for (i, point) in mesh.points.iter().enumerate() {
            let before = self.raw.points[i];
            for ((kept, now), before) in self.speeds[i].iter_mut().zip(point).zip(before) {
                let speed = (now - before) / step / unit;
                *kept += weight(SPEED_CUTOFF_HZ) * (speed - *kept);
            }
            // One cutoff a landmark, so that it moves on a straight line.
            let speed = self.speeds[i].iter().map(|v| v * v).sum::<f32>().sqrt();
            let weight = weight(CUTOFF_HZ + RISE * speed);
            for (kept, now) in self.mesh.points[i].iter_mut().zip(point) {
                *kept += weight * (now - *kept);
            }
        }
        self.mesh.score = mesh.score;
        self.raw = mesh.clone();
        self.at = at;
        self
    }
}
