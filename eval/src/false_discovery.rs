//! Many gaps are looked at in one report: q-values by Benjamini and Hochberg.

use fairframe_schemas::report::{Disparity, Report};

/// The smallest false discovery rate at which each p would be called a
/// discovery (Benjamini and Hochberg 1995), in the order given.
pub fn q_values(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*b].total_cmp(&ps[*a]));
    let (mut qs, mut least) = (vec![0.0; ps.len()], 1.0f64);
    for (rank, at) in order.into_iter().enumerate() {
        let among = (ps.len() - rank) as f64;
        least = least.min(ps[at] * ps.len() as f64 / among);
        qs[at] = least;
    }
    qs
}

/// Puts q-values to every gap of a report that has a p: one family, over all
/// levels, metrics, groupings and control levels.
pub fn judge(report: &mut Report) {
    let mut nulls: Vec<_> = report
        .metrics
        .iter_mut()
        .flat_map(|metric| &mut metric.by_group)
        .flat_map(|grouping| {
            let within = grouping.within.iter_mut().map(|w| &mut w.disparity);
            std::iter::once(&mut grouping.disparity).chain(within)
        })
        .filter_map(|disparity: &mut Option<Disparity>| disparity.as_mut()?.null.as_mut())
        .collect();
    let ps: Vec<f64> = nulls.iter().map(|null| null.p).collect();
    for (null, q) in nulls.iter_mut().zip(q_values(&ps)) {
        null.q = q;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fifteen p of Benjamini and Hochberg 1995, section 3.2: four are
    /// discoveries at 0.05.
    #[test]
    fn the_papers_example_holds() {
        let ps = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        let qs = q_values(&ps);
        assert_eq!(qs.iter().filter(|q| **q <= 0.05).count(), 4);
        assert!((qs[0] - 0.0015).abs() < 1e-12);
        assert!((qs[3] - 0.035625).abs() < 1e-12);
        assert!((qs[14] - 1.0).abs() < 1e-12);
        assert!(qs.is_sorted());
    }

    #[test]
    fn order_and_ties_have_no_say() {
        assert_eq!(q_values(&[0.04, 0.01, 0.04]), [0.04, 0.03, 0.04]);
        assert_eq!(q_values(&[]), Vec::<f64>::new());
        assert_eq!(q_values(&[0.2]), [0.2]);
    }
}
