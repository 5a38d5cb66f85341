//! What the colours of a face do not tell: how sharp its pictures are, and how deep the light
//! leaves its eyes. Both are the camera's and the lamp's, not the person's, and are brought to
//! the target's, once a clip.

use super::{
    grid::{Colours, Mixed, Plane, median},
    regions::Regions,
};

/// Detail is made stronger or weaker by no more than this: noise is not blown up, and lashes
/// stay.
const DETAIL: [f32; 2] = [0.6, 1.6];
/// How much of a socket's shadow is lifted, and to how many times its lightness at most.
const LIFT: f32 = 0.6;
const MOST: f32 = 1.4;

/// How much stronger detail must be that the textures `from` are as sharp as `to`, on the skin
/// and features that `bare` leaves.
pub fn detail(from: &[Colours], to: &[Colours], bare: &Plane, regions: &Regions) -> f32 {
    let weights = bare.zip(&regions.face, |b, f| b * f);
    let energy = |textures: &[Colours]| {
        let mut each: Vec<f32> = textures.iter().map(|t| strength(t, &weights)).collect();
        median(&mut each)
    };
    let (from, to) = (energy(from), energy(to));
    match from > 0.0 {
        true => (to / from).clamp(DETAIL[0], DETAIL[1]),
        false => 1.0,
    }
}

/// Mean difference of the lightness from that of the texels around it, in levels.
fn strength(texture: &Colours, weights: &Plane) -> f32 {
    let light = lightness(texture);
    let around = light.blurred(1);
    let apart = light.zip(&around, |l, a| (l - a).abs());
    let (mut sum, mut total) = (0.0f64, 1e-9f64);
    for (apart, weight) in apart.data.iter().zip(&weights.data) {
        sum += f64::from(apart * weight);
        total += f64::from(*weight);
    }
    (sum / total) as f32
}

fn lightness(texture: &Colours) -> Plane {
    texture.map(|c| (c[0] + c[1] + c[2]) / 3.0)
}

/// A texture with its detail made so many times as strong.
pub fn sharpened(texture: &Colours, times: f32) -> Colours {
    let around = texture.blurred(1);
    around.zip(texture, |around, here| {
        let detail: [f32; 3] = std::array::from_fn(|k| here[k] - around[k]);
        around.plus(detail, times).map(|v| v.clamp(0.0, 255.0))
    })
}

/// By how much each texel of a face is lightened so that its eyes lie no deeper in shadow than
/// the target's.
pub fn lifted(from: &Colours, to: &Colours, regions: &Regions) -> Plane {
    let radius = from.width / 16;
    let broad = |texture: &Colours| lightness(texture).blurred(radius).blurred(radius);
    let ratio = broad(from).zip(&broad(to), |from, to| {
        LIFT * ((to / from.max(1.0)).clamp(1.0, MOST) - 1.0)
    });
    ratio.zip(&regions.sockets, |r, s| 1.0 + r * s)
}

#[cfg(test)]
mod tests {
    use super::{super::grid::Grid, *};

    const SIDE: usize = 128;

    fn checks(height: f32) -> Colours {
        Grid::of(SIDE, SIDE, |x, y| {
            let sign = if (x + y).is_multiple_of(2) { 1.0 } else { -1.0 };
            [120.0 + sign * height; 3]
        })
    }

    #[test]
    fn detail_is_brought_to_the_others() {
        let regions = Regions::new(SIDE);
        let bare = Grid::filled(SIDE, SIDE, 1.0);
        let times = |from, to| detail(&[checks(from)], &[checks(to)], &bare, &regions);
        assert!((times(8.0, 10.0) - 1.25).abs() < 0.01);
        assert!((times(10.0, 8.0) - 0.8).abs() < 0.01);
        assert_eq!(
            (times(1.0, 9.0), times(9.0, 1.0), times(0.0, 9.0)),
            (1.6, 0.6, 1.0)
        );
        // What is around a texel counts the texel itself, a ninth: a little is lost.
        let made = sharpened(&checks(8.0), 1.25);
        let left = detail(&[made], &[checks(10.0)], &bare, &regions);
        assert!((1.0..1.03).contains(&left), "{left}");
    }

    #[test]
    fn eyes_in_shadow_are_lifted_and_nothing_else() {
        let regions = Regions::new(SIDE);
        let lit: Colours = Grid::filled(SIDE, SIDE, [160.0; 3]);
        let dark = lit.zip(&regions.sockets, |c, s| c.map(|v| v * (1.0 - 0.3 * s)));
        let up = lifted(&dark, &lit, &regions);
        for (up, socket) in up.data.iter().zip(&regions.sockets.data) {
            assert!((1.0..=MOST).contains(up));
            assert!(*socket > 0.0 || *up == 1.0);
        }
        let most = up.data.iter().copied().fold(0.0, f32::max);
        assert!(most > 1.1, "{most}");
        // The other way about nothing is darkened.
        assert!(lifted(&lit, &dark, &regions).data.iter().all(|v| *v == 1.0));
    }
}
