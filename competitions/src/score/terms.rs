//! What ranks, as a function of which items count: for values that are no mean of items.

use fairframe_eval::{compare::Prepared, crossed};
use fairframe_schemas::competition::{BoardColumnToml, Shows};

use super::{Judged, ScoreError};
use crate::{definition::Competition, jackknife::Dealt};

/// A metric, or a column, with its weight in what ranks.
struct Term<'a> {
    weight: f64,
    /// Its place in the form's metrics.
    metric: usize,
    /// All items, or the items of a group; of a difference the group with the highest value, then
    /// that with the lowest.
    cells: Vec<Box<dyn Prepared + 'a>>,
}

impl Term<'_> {
    /// Its value over the items whose weight is 1. Which group is worst stays as it is: a minimum
    /// is no smooth function of the items, and its jackknife would be far off.
    fn value(&self, weights: &[u32]) -> Option<f64> {
        let of = |cell: &dyn Prepared| {
            let order = cell.order().iter();
            let weights: Vec<u32> = order.map(|item| weights[*item as usize]).collect();
            cell.evaluate(Some(&weights)).get(self.metric).copied()?
        };
        let first = of(self.cells.first()?.as_ref())?;
        match self.cells.get(1) {
            Some(lowest) => Some(first - of(lowest.as_ref())?),
            None => Some(first),
        }
    }
}

impl Judged {
    /// Pseudo-values of what ranks, whose value is given: see [`crate::jackknife`]. None where
    /// there are too few items, or it is undefined without some of them.
    pub(super) fn pseudo_values(
        &self,
        competition: &Competition,
        value: f64,
    ) -> Result<Option<Vec<f64>>, ScoreError> {
        let Some(side) = self.sides.first() else {
            return Ok(None);
        };
        let Some(dealt) = Dealt::new(side.identity.len(), side.clusters.as_deref()) else {
            return Ok(None);
        };
        let Some(terms) = self.terms(competition)? else {
            return Ok(None);
        };
        let sum: f64 = terms.iter().map(|term| term.weight).sum();
        let without = |weights: &[u32]| {
            terms.iter().try_fold(0.0, |value, term| {
                Some(value + term.weight * term.value(weights)? / sum)
            })
        };
        Ok(dealt.pseudo_values(value, without))
    }

    fn terms(&self, competition: &Competition) -> Result<Option<Vec<Term<'_>>>, ScoreError> {
        let board = &competition.toml.board;
        let weighted = board.columns.iter().any(|c| c.weight.is_some());
        let own = match (weighted, board.weight) {
            (false, _) => 1.0,
            (true, weight) => weight.unwrap_or(0.0),
        };
        let mut terms = Vec::new();
        let whole = BoardColumnToml {
            title: String::new(),
            metric: None,
            shows: Shows::Overall,
            grouping: None,
            group: Vec::new(),
            weight: Some(own),
            hidden_until: None,
        };
        for column in std::iter::once(&whole).chain(&board.columns) {
            let Some(weight) = column.weight.filter(|weight| *weight > 0.0) else {
                continue;
            };
            let Some(term) = self.term(column, weight, competition)? else {
                return Ok(None);
            };
            terms.push(term);
        }
        Ok(Some(terms))
    }

    fn term(
        &self,
        column: &BoardColumnToml,
        weight: f64,
        competition: &Competition,
    ) -> Result<Option<Term<'_>>, ScoreError> {
        let name = column.metric.as_ref();
        let name = name.unwrap_or(&competition.toml.board.metric);
        let metric = self.metric(name)?;
        let names = column.grouping.as_deref().map_or_else(Vec::new, crossed);
        let groups: Vec<Vec<String>> = match column.shows {
            Shows::Overall => vec![Vec::new()],
            Shows::Group => vec![column.group.clone()],
            Shows::WorstGroup | Shows::Difference => {
                let found = metric.by_group.iter().find(|g| g.columns == names);
                let cells = found.map_or(&[][..], |grouping| &grouping.cells).iter();
                let shown = cells.filter(|cell| !self.hidden.hides(&names, &cell.group));
                let mut shown: Vec<(f64, &Vec<String>)> = shown
                    .filter_map(|cell| Some((cell.estimate.value?, &cell.group)))
                    .collect();
                // Among equals the first by name.
                shown.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
                let highest = shown.first().map(|(_, group)| (*group).clone());
                let lowest = shown.last().map(|(_, group)| (*group).clone());
                let wanted = match (column.shows, metric.higher_is_better) {
                    (Shows::Difference, _) => [highest, lowest],
                    (_, true) => [lowest, None],
                    (_, false) => [highest, None],
                };
                wanted.into_iter().flatten().collect()
            }
        };
        let Some(side) = self.sides.first() else {
            return Ok(None);
        };
        let Some(at) = side.form.metrics().iter().position(|m| m.name == name) else {
            return Ok(None);
        };
        let items = groups.iter().map(|group| self.items_in(&names, group));
        let Some(items) = items.collect::<Option<Vec<Vec<u32>>>>() else {
            return Ok(None);
        };
        Ok(Some(Term {
            weight,
            metric: at,
            cells: items.iter().map(|items| side.form.prepare(items)).collect(),
        }))
    }
}
