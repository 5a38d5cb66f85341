//! Redirects, followed one at a time: every hop is judged anew.

use reqwest::header;
use url::Url;

use super::{HttpError, Response, first_words};
use crate::ssrf::shown;

/// The way from a URL to where its redirects end.
pub(crate) struct Redirects {
    url: Url,
    seen: Vec<Url>,
    limit: u32,
}

impl Redirects {
    pub(crate) fn new(first: &Url, limit: u32) -> Self {
        let mut url = first.clone();
        url.set_fragment(None);
        Self {
            url,
            seen: Vec::new(),
            limit,
        }
    }

    /// Where to ask next.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The answer, if the way ends with it.
    pub(crate) fn next(&mut self, response: Response) -> Result<Option<Response>, HttpError> {
        let Some(location) = location(&response) else {
            return Ok(Some(response));
        };
        let first = self.seen.first().unwrap_or(&self.url);
        if self.seen.len() >= self.limit as usize {
            return Err(HttpError::TooManyRedirects {
                url: shown(first.as_str()),
                limit: self.limit,
            });
        }
        let mut next = self
            .url
            .join(&location)
            .map_err(|_| HttpError::BadRedirect {
                url: shown(self.url.as_str()),
                location: first_words(location.as_bytes()),
            })?;
        next.set_fragment(None);
        self.seen.push(std::mem::replace(&mut self.url, next));
        if self.seen.contains(&self.url) {
            return Err(HttpError::RedirectLoop {
                url: shown(self.seen[0].as_str()),
            });
        }
        Ok(None)
    }
}

/// Where a redirect leads.
fn location(response: &Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let value = response.headers().get(header::LOCATION)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
