//! JSON lines: one object a line.

use std::io::{BufRead, Read};

use csv::StringRecord;
use serde_json::Value;

use super::{BadRow, Fail, TableLimits};
use crate::{source::SourceError, strict_json::Strict};

pub(super) struct JsonRows {
    read: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    row: u64,
}

/// A JSON value as a cell, or what it is instead.
fn cell(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(b) => Ok(b.to_string()),
        Value::Number(n) => Ok(n.to_string()),
        Value::String(s) => Ok(s.clone()),
        Value::Array(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                match item {
                    Value::Array(_) => return Err("a list of lists"),
                    other => texts.push(cell(other)?),
                }
            }
            Ok(texts.join("|"))
        }
        Value::Object(_) => Err("an object"),
    }
}

impl JsonRows {
    pub fn new(read: Box<dyn BufRead + Send>) -> Self {
        Self {
            read,
            line: Vec::new(),
            row: 0,
        }
    }

    pub fn read(
        &mut self,
        record: &mut StringRecord,
        columns: &mut Vec<String>,
        limits: &TableLimits,
        fail: Fail<'_>,
    ) -> Result<Option<Result<u64, BadRow>>, SourceError> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.read).take(limits.row_bytes as u64 + 1);
            limited
                .read_until(b'\n', &mut self.line)
                .map_err(|e| fail.io(e))?;
            if self.line.is_empty() {
                return Ok(None);
            }
            self.row += 1;
            if self.line.len() > limits.row_bytes {
                self.skip_line(fail)?;
                return Ok(Some(Err(BadRow {
                    row: self.row,
                    problem: format!("is longer than {} bytes", limits.row_bytes),
                    remedy: "shorten it",
                })));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let row = self.row;
        Ok(Some(
            self.parse(record, columns, limits)
                .map(|()| row)
                .map_err(|(problem, remedy)| BadRow {
                    row,
                    problem,
                    remedy,
                }),
        ))
    }

    fn skip_line(&mut self, fail: Fail<'_>) -> Result<(), SourceError> {
        if self.line.last() != Some(&b'\n') {
            self.read.skip_until(b'\n').map_err(|e| fail.io(e))?;
        }
        Ok(())
    }

    fn parse(
        &self,
        record: &mut StringRecord,
        columns: &mut Vec<String>,
        limits: &TableLimits,
    ) -> Result<(), (String, &'static str)> {
        let remedy = "write one JSON object a line";
        let Strict(value) = serde_json::from_slice(&self.line).map_err(|e| {
            let at = if e.line() > 0 {
                format!(" at column {}", e.column())
            } else {
                String::new()
            };
            let text = e.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            (format!("is no JSON object{at}: {text}"), remedy)
        })?;
        let Value::Object(object) = value else {
            return Err(("is no JSON object".to_owned(), remedy));
        };
        for key in object.keys() {
            if !columns.contains(key) {
                if columns.len() >= limits.columns {
                    return Err((
                        format!(
                            "brings the number of different keys over {}",
                            limits.columns
                        ),
                        "leave out those that are not needed",
                    ));
                }
                columns.push(key.clone());
            }
        }
        record.clear();
        for column in columns.iter() {
            let text = match object.get(column) {
                None => String::new(),
                Some(value) => cell(value).map_err(|what| {
                    (
                        format!("holds {what} in `{column}`"),
                        "use a text, a number or a list of texts",
                    )
                })?,
            };
            if text.contains('\0') {
                return Err((format!("has a NUL in `{column}`"), "remove it"));
            }
            record.push_field(&text);
        }
        Ok(())
    }
}
