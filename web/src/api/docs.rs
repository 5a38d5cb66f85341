//! `/api`: the description of the API as a page, with lines to copy that work here.

use askama::Template;
use axum::{extract::State, http::HeaderMap, response::Html};
use fairframe_ingest::manifest::ReleaseReader;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::params::{Filters, LATEST};
use crate::{App, catalog, error::AppError};

#[derive(Template)]
#[template(path = "api.html")]
struct Page {
    sections: Vec<Section>,
    filters: Vec<Line>,
    shapes: Vec<Shape>,
    /// Lines that show how to page.
    first: String,
}

/// Operations of one kind.
struct Section {
    name: String,
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<String>,
    params: Vec<Line>,
    /// Whether samples are filtered.
    filtered: bool,
    body: Option<String>,
    answers: Vec<(String, String, Option<String>)>,
    curl: String,
}

/// A key, a property.
struct Line {
    name: String,
    kind: String,
    about: String,
    wanted: bool,
}

/// An object of a question or an answer.
struct Shape {
    name: String,
    about: String,
    lines: Vec<Line>,
}

/// What lines to copy are about.
struct Example {
    origin: String,
    name: String,
    id: String,
}

impl Example {
    /// The first dataset, and its first sample.
    async fn of(app: &App, headers: &HeaderMap) -> Result<Self, AppError> {
        let mut example = Example {
            origin: app.origin(headers),
            name: "demo".to_owned(),
            id: "0".repeat(32),
        };
        let datasets = catalog::datasets(&app.layout).map_err(AppError::internal)?;
        if let Some(dataset) = datasets.first() {
            let folder = app.layout.release(&dataset.name, dataset.latest());
            let read = move || ReleaseReader::open(&folder)?.slice(0, 1);
            let read = tokio::task::spawn_blocking(read).await;
            let rows = read.map_err(AppError::internal)?.unwrap_or_default();
            if let Some(row) = rows.first() {
                example.id = row.sample_id.to_string();
            }
            example.name = dataset.name.to_string();
        }
        Ok(example)
    }

    fn fill(&self, text: &str) -> String {
        let numbers = ["{batch}", "{proposal}", "{job}"];
        let text = text
            .replace("{name}", &self.name)
            .replace("{version}", LATEST)
            .replace("{id}", &self.id);
        numbers.iter().fold(text, |text, n| text.replace(n, "1"))
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The last word of `#/components/schemas/...`.
fn named(schema: &Value) -> Option<String> {
    let path = schema["$ref"].as_str()?;
    path.rsplit('/').next().map(str::to_owned)
}

/// A type, for people.
fn kind(schema: &Value) -> String {
    if let Some(name) = named(schema) {
        return name;
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let kinds: Vec<String> = any.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    match &schema["type"] {
        Value::String(word) if word == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(word) => word.clone(),
        Value::Array(words) => {
            let words = words.iter().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn lines(schema: &Value) -> Vec<Line> {
    let wanted = schema["required"].as_array();
    let wanted = |name: &str| wanted.is_some_and(|w| w.iter().any(|w| w == name));
    let properties = schema["properties"].as_object();
    let properties = properties.into_iter().flatten();
    let line = |(name, of): (&String, &Value)| Line {
        kind: kind(of),
        about: text(of, "description"),
        wanted: wanted(name),
        name: name.clone(),
    };
    properties.map(line).collect()
}

fn params(operation: &Value) -> impl Iterator<Item = Line> {
    let params = operation["parameters"].as_array();
    params.into_iter().flatten().map(|param| Line {
        name: text(param, "name"),
        kind: format!("{}, {}", text(param, "in"), kind(&param["schema"])),
        about: text(param, "description"),
        wanted: param["required"] == true,
    })
}

/// A line for a shell.
fn curl(
    example: &Example,
    method: &str,
    path: &str,
    operation: &Value,
    body: Option<&Value>,
) -> String {
    let mut line = "curl -fsS".to_owned();
    if operation["security"].is_array() {
        line.push_str(" -H \"Authorization: Bearer $FAIRFRAME_TOKEN\"");
    }
    if method == "POST" {
        line.push_str(" -X POST");
    }
    if let Some(schema) = body {
        let properties = schema["properties"].as_object();
        let given = properties.into_iter().flatten();
        let given = given.filter_map(|(k, v)| Some((k.clone(), v.get("example")?.clone())));
        let given: Map<String, Value> = given.collect();
        let given = example.fill(&Value::Object(given).to_string());
        line.push_str(&format!(
            " \\\n  -H 'Content-Type: application/json' -d '{given}'"
        ));
    }
    let by = match path.ends_with("/groups") {
        true => "?by=country",
        false => "",
    };
    line.push_str(&format!(
        " \\\n  '{}{}{by}'",
        example.origin,
        example.fill(path)
    ));
    line
}

fn operation(
    example: &Example,
    schemas: &Value,
    filters: &[String],
    (method, path): (&str, &str),
    of: &Value,
) -> Operation {
    let method = method.to_uppercase();
    let body = named(&of["requestBody"]["content"]["application/json"]["schema"]);
    let answers = of["responses"].as_object().into_iter().flatten();
    let answers = answers.filter(|(status, _)| *status != "default");
    let answer = |(status, answer): (&String, &Value)| {
        let content = answer["content"].as_object();
        let schema = content.into_iter().flatten().next();
        let shape = schema.and_then(|(_, of)| named(&of["schema"]));
        (status.clone(), text(answer, "description"), shape)
    };
    let filtered = params(of).any(|p| filters.contains(&p.name));
    Operation {
        id: text(of, "operationId"),
        summary: text(of, "summary"),
        about: text(of, "description")
            .split("\n\n")
            .filter(|part| !part.is_empty())
            .map(|part| part.replace('\n', " "))
            .collect(),
        params: params(of).filter(|p| !filters.contains(&p.name)).collect(),
        filtered,
        answers: answers.map(answer).collect(),
        curl: curl(
            example,
            &method,
            path,
            of,
            body.as_ref().map(|b| &schemas[b.as_str()]),
        ),
        path: path.to_owned(),
        method,
        body,
    }
}

pub async fn page(State(app): State<App>, headers: HeaderMap) -> Result<Html<String>, AppError> {
    let doc = serde_json::to_value(super::openapi()).map_err(AppError::internal)?;
    let example = Example::of(&app, &headers).await?;
    let filters = Filters::into_params(|| None).into_iter().map(|p| p.name);
    let filters: Vec<String> = filters.collect();
    let schemas = &doc["components"]["schemas"];
    let tags = doc["tags"].as_array().into_iter().flatten();
    let mut sections: Vec<Section> = tags
        .map(|tag| Section {
            name: text(tag, "name"),
            about: text(tag, "description"),
            operations: Vec::new(),
        })
        .collect();
    let mut filter_lines = Vec::new();
    for (path, item) in doc["paths"].as_object().into_iter().flatten() {
        for (method, of) in item.as_object().into_iter().flatten() {
            let made = operation(&example, schemas, &filters, (method, path), of);
            if made.filtered && filter_lines.is_empty() {
                filter_lines = params(of).filter(|p| filters.contains(&p.name)).collect();
            }
            let own = sections
                .iter_mut()
                .find(|s| of["tags"][0] == s.name.as_str());
            if let Some(section) = own {
                section.operations.push(made);
            }
        }
    }
    let shapes = schemas.as_object().into_iter().flatten();
    let shapes = shapes.map(|(name, of)| Shape {
        name: name.clone(),
        about: text(of, "description").replace('\n', " "),
        lines: lines(of),
    });
    crate::error::page(&Page {
        first: format!(
            "curl -fsS '{}{}/datasets/{}/versions/{LATEST}/samples?country=IT&country=FR&width-min=640&limit=10'",
            example.origin,
            super::BASE,
            example.name,
        ),
        shapes: shapes.collect(),
        filters: filter_lines,
        sections,
    })
}
