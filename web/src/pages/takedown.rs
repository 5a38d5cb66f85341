//! `/takedown`: anybody asks for something to be taken down, and sees what became of it.
//! No account, no script.

use std::net::{IpAddr, Ipv4Addr};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    App,
    access::{Client, Posted, Who},
    error::{AppError, page},
    lookup,
    state::{
        self,
        takedowns::{
            self, Case, MAX_ABOUT, MAX_CONTACT, MAX_REASON, Relation, Request, TakedownError,
        },
    },
};

#[derive(Template)]
#[template(path = "takedown/form.html")]
struct Form {
    who: Who,
    typed: Typed,
    problem: Option<String>,
}

impl Form {
    fn relations(&self) -> [Relation; 3] {
        Relation::ALL
    }

    /// Longest texts, for browsers.
    fn most(&self) -> [usize; 3] {
        [MAX_ABOUT, MAX_REASON, MAX_CONTACT]
    }
}

/// What somebody types.
#[derive(Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    about: String,
    #[serde(default)]
    relation: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    contact: String,
    /// People do not see it: only programs fill it in.
    #[serde(default)]
    website: String,
}

#[derive(Deserialize)]
pub struct About {
    #[serde(default)]
    about: String,
}

/// The form; `?about=` fills in what it is about, for links on pages of samples.
pub async fn form(
    who: Who,
    Query(About { about }): Query<About>,
) -> Result<Html<String>, AppError> {
    let fits = Some(clean(&about)).filter(|a| a.len() <= MAX_ABOUT);
    page(&Form {
        who,
        typed: Typed {
            about: fits.unwrap_or_default(),
            ..Typed::default()
        },
        problem: None,
    })
}

pub async fn ask(
    State(app): State<App>,
    client: Option<Extension<Client>>,
    Posted { who, form }: Posted<Typed>,
) -> Result<Response, AppError> {
    let from = client.map_or(
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        |Extension(Client(ip))| ip,
    );
    if !app.limits.form(from) {
        return Err(AppError::TooMany);
    }
    if !form.website.is_empty() {
        return Err(AppError::Invalid(
            "Leave the field empty that is for programs.".to_owned(),
        ));
    }
    let relation: Result<Relation, _> = form.relation.parse();
    let Ok(relation) = relation else {
        return again(who, form, "Say what you have to do with it.".to_owned());
    };
    let (about, reason) = (clean(&form.about), clean(&form.reason));
    let contact = clean(&form.contact);
    let found = match about.len() <= MAX_ABOUT {
        true => lookup::find(&app.layout, &about).await?,
        false => None,
    };
    let request = Request {
        relation,
        about: &about,
        reason: &reason,
        contact: &contact,
        found: found.as_ref(),
    };
    let mut write = app.db.write().await?;
    match takedowns::receive(&mut write, &request).await {
        Ok((_, secret)) => {
            write.commit().await?;
            Ok(Redirect::to(&format!("/takedown/{secret}")).into_response())
        }
        Err(error @ (TakedownError::Random(_) | TakedownError::State(_))) => {
            Err(AppError::internal(error))
        }
        Err(TakedownError::Full) => Err(AppError::Conflict(TakedownError::Full.to_string())),
        Err(wrong) => again(who, form, wrong.to_string()),
    }
}

/// The form with what was typed, and what is wrong with it.
fn again(who: Who, typed: Typed, problem: String) -> Result<Response, AppError> {
    let form = Form {
        who,
        problem: Some(problem),
        typed,
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, private(), page(&form)?).into_response())
}

/// Without control characters, and without those that turn the text around them: what is shown
/// to a curator is what was written. A new line stays one.
pub(crate) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace("\r\n", "\n");
    let kept = text.chars().filter(|c| !turns(*c));
    let kept = kept.filter(|c| !c.is_control() || *c == '\n');
    kept.collect::<String>().trim().to_owned()
}

fn private() -> [(header::HeaderName, &'static str); 2] {
    [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ]
}

#[derive(Template)]
#[template(path = "takedown/case.html")]
struct CasePage {
    case: Case,
    secret: String,
    overdue: bool,
}

/// What became of a request: for whoever has the link.
pub async fn case(
    State(app): State<App>,
    Path(secret): Path<String>,
) -> Result<Response, AppError> {
    let case = takedowns::by_secret(&app.db, &secret).await?;
    let case = case.ok_or(AppError::NotFound("request"))?;
    let shown = page(&CasePage {
        overdue: case.is_overdue(&app.db.now()),
        case,
        secret,
    });
    Ok((private(), shown?).into_response())
}

impl CasePage {
    fn is_withdrawn(&self) -> bool {
        self.case.state == state::takedowns::State::Withdrawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_what_deceives_and_nothing_else() {
        for (typed, kept) in [
            ("  a\r\nb\u{0}\u{7}\u{1b}[31m ", "a\nb[31m"),
            ("abc\u{202e}gpj.exe\u{202c}", "abcgpj.exe"),
            ("\u{2066}x\u{2069}", "x"),
            ("صورتي עברית 写真 é", "صورتي עברית 写真 é"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ] {
            assert_eq!(clean(typed), kept);
        }
    }
}
