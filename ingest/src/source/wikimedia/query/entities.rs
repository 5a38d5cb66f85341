//! Structured data of pages, and what the items it names are called.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{MAX_VALUES, WikimediaSource, params};
use crate::source::{
    SourceError,
    wikimedia::{
        client::{Answerer, AskError},
        entity::{self, Entity},
    },
};

/// Most names of items remembered; beyond, they are asked for again.
const MAX_NAMES: usize = 10_000;

impl<A: Answerer> WikimediaSource<A> {
    /// Structured data by page id. A wiki without it is asked once.
    pub(super) async fn entities_of(
        &mut self,
        ids: &[u64],
    ) -> Result<BTreeMap<u64, Entity>, SourceError> {
        let mut found = BTreeMap::new();
        if !self.entities {
            return Ok(found);
        }
        let ids: Vec<String> = ids.iter().map(|id| format!("M{id}")).collect();
        let read = |id: &str, entity: &Map<String, Value>| {
            if let Some(page) = id.get(1..).and_then(|n| n.parse().ok()) {
                found.insert(page, Entity::read(entity));
            }
        };
        self.entities = self.ask_entities(&ids, [("props", "claims")], read).await?;
        if !self.entities {
            self.messages.push(format!(
                "{}: the wiki has no structured data; listing goes on without it",
                self.source
            ));
        }
        Ok(found)
    }

    /// Gives the creators of these pages that are items without a name the
    /// item's label. Of the other pages nobody needs it.
    pub(super) async fn name_creators(
        &mut self,
        pages: &[u64],
        entities: &mut BTreeMap<u64, Entity>,
    ) -> Result<(), SourceError> {
        let unnamed = |entities: &BTreeMap<u64, Entity>, page: &u64| {
            let creator = entities.get(page)?.creator.as_ref()?;
            creator.item.clone().filter(|_| creator.name.is_none())
        };
        let mut wanted: Vec<String> = pages
            .iter()
            .filter_map(|page| unnamed(entities, page))
            .filter(|item| !self.names.contains_key(item))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if self.names.len() + wanted.len() > MAX_NAMES {
            self.names.clear();
            wanted = pages.iter().filter_map(|p| unnamed(entities, p)).collect();
            wanted.sort_unstable();
            wanted.dedup();
        }
        if !wanted.is_empty() {
            let languages = entity::LANGUAGES.join("|");
            let question = [("props", "labels"), ("languages", languages.as_str())];
            let mut names = BTreeMap::new();
            let read = |id: &str, item: &Map<String, Value>| {
                names.insert(id.to_owned(), entity::label(item));
            };
            self.ask_entities(&wanted, question, read).await?;
            for item in wanted {
                let name = names.remove(&item).flatten();
                self.names.insert(item, name);
            }
        }
        for page in pages {
            if let Some(item) = unnamed(entities, page)
                && let Some(Some(name)) = self.names.get(&item)
                && let Some(creator) = entities.get_mut(page).and_then(|e| e.creator.as_mut())
            {
                creator.name = Some(name.clone());
            }
        }
        Ok(())
    }

    /// Asks for entities, [`MAX_VALUES`] a request; whether the wiki has any of the kind.
    async fn ask_entities<const N: usize>(
        &self,
        ids: &[String],
        question: [(&str, &str); N],
        mut read: impl FnMut(&str, &Map<String, Value>),
    ) -> Result<bool, SourceError> {
        let mut queue: Vec<&[String]> = ids.chunks(MAX_VALUES).rev().collect();
        while let Some(some) = queue.pop() {
            let mut params = params(question);
            params.insert("action".to_owned(), "wbgetentities".to_owned());
            params.insert("ids".to_owned(), some.join("|"));
            match self.client.ask(&params).await {
                Ok(answer) => {
                    let Some(Value::Object(entities)) = answer.get("entities") else {
                        continue;
                    };
                    for id in some {
                        let entity = entities.get(id).and_then(Value::as_object);
                        if let Some(entity) = entity.filter(|e| !e.contains_key("missing")) {
                            read(id, entity);
                        }
                    }
                }
                Err(AskError::Refused(no))
                    if matches!(no.code.as_str(), "badvalue" | "unknown_action") =>
                {
                    return Ok(false);
                }
                // One entity that cannot be had spoils the whole answer: halve.
                Err(AskError::Refused(no)) if no.code == "no-such-entity" => {
                    if some.len() > 1 {
                        let (left, right) = some.split_at(some.len() / 2);
                        queue.extend([right, left]);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}
