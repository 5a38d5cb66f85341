//! Markdown of hosts to HTML that is safe on our pages.
//!
//! Hosts are not trusted with other people's sessions: whatever they write, no script runs, no
//! style or form of theirs stands on a page, nothing is loaded from elsewhere, and no id of
//! theirs takes the place of one of ours.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Longest text that is shown, in bytes; what is beyond is cut off, and said to be.
pub const MAX_TEXT: usize = 256 << 10;

/// Most events (pieces of text, starts and ends) of a text: what nests without end is cut too.
const MAX_EVENTS: usize = 200_000;

/// Deepest that lists and quotes may stand in each other; what is deeper is left out.
const MAX_DEPTH: usize = 32;

/// What may stand on a page.
const TAGS: &[&str] = &[
    "p",
    "br",
    "hr",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "blockquote",
    "pre",
    "code",
    "em",
    "strong",
    "del",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "sup",
    "sub",
];

/// Markdown (CommonMark with tables and strike-through) to HTML. Images are shown as links,
/// headings begin at `h2` (the page has an `h1` of its own), raw HTML stands as text.
pub fn html(markdown: &str) -> String {
    let (text, cut) = shortened(markdown);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut depth = 0usize;
    let events = Parser::new_ext(text, options)
        .take(MAX_EVENTS)
        .filter_map(|event| {
            match &event {
                Event::Start(tag) => {
                    depth += usize::from(nests(tag));
                    // Its end is left out by the sanitiser, which closes what is open.
                    if depth > MAX_DEPTH && nests(tag) {
                        return None;
                    }
                }
                Event::End(end) if nests_end(end) => {
                    depth = depth.saturating_sub(1);
                    if depth >= MAX_DEPTH {
                        return None;
                    }
                }
                _ => {}
            }
            Some(tamed(event))
        });
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events);
    if cut {
        html.push_str("<p><em>The rest of this text is too long to be shown.</em></p>");
    }
    sanitiser().clean(&html).to_string()
}

fn shortened(text: &str) -> (&str, bool) {
    if text.len() <= MAX_TEXT {
        return (text, false);
    }
    let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at));
    (&text[..end.unwrap_or(0)], true)
}

fn nests(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::BlockQuote(_) | Tag::List(_) | Tag::Item)
}

fn nests_end(end: &TagEnd) -> bool {
    matches!(end, TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item)
}

/// An event without what is not ours to show.
fn tamed(event: Event<'_>) -> Event<'_> {
    use pulldown_cmark::HeadingLevel::{H1, H2, H3, H4, H5, H6};
    let lower = |level| match level {
        H1 => H2,
        H2 => H3,
        H3 => H4,
        H4 => H5,
        H5 | H6 => H6,
    };
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Heading { level, .. }) => Event::Start(Tag::Heading {
            level: lower(level),
            id: None,
            classes: Vec::new(),
            attrs: Vec::new(),
        }),
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
        // A picture from elsewhere would tell its server who reads; its words and its address stay.
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        other => other,
    }
}

fn sanitiser() -> Builder<'static> {
    let mut builder = Builder::empty();
    let of = |names: &[&'static str]| names.iter().copied().collect::<HashSet<_>>();
    builder
        .tags(of(TAGS))
        .clean_content_tags(of(&["script", "style"]))
        .tag_attributes(HashMap::from([
            ("a", of(&["href", "title"])),
            ("ol", of(&["start"])),
        ]))
        .generic_attributes(HashSet::new())
        .url_schemes(of(&["http", "https", "mailto"]))
        .url_relative(UrlRelative::Custom(Box::new(ours)))
        .link_rel(Some("nofollow noopener noreferrer"));
    builder
}

/// An address without a scheme: a place on this server or this page; `//elsewhere` is neither.
fn ours(url: &str) -> Option<Cow<'_, str>> {
    let here = url.starts_with('/') && !url[1..].starts_with(['/', '\\']);
    (here || url.starts_with('#')).then_some(Cow::Borrowed(url))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hosts_write_is_shown() {
        let page = html(
            "# Overview\n\nLabel *all* of **them**, see [rules](/rules) or ~~ask~~.\n\n\
             | a | b |\n|---|---|\n| 1 | `x < y` |\n\n1. one\n2. two\n",
        );
        for piece in [
            "<h2>Overview</h2>",
            "<em>all</em>",
            "<strong>them</strong>",
            "<a href=\"/rules\" rel=\"nofollow noopener noreferrer\">rules</a>",
            "<td>1</td>",
            "<code>x &lt; y</code>",
            "<ol>",
            "<del>ask</del>",
        ] {
            assert!(page.contains(piece), "{piece} in {page}");
        }
    }

    #[test]
    fn nothing_that_runs_loads_or_hides_is_left() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](&#106;avascript:alert(1))",
            "[x](java\tscript:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "[x](vbscript:x)",
            "[x](//evil.example/a)",
            "[x](/\\evil.example/a)",
            "![track](https://evil.example/p.png)",
            "<iframe src=https://evil.example></iframe>",
            "<form action=/log-out><button>Log out</button></form>",
            "<style>body{display:none}</style>",
            "<p style=\"position:fixed\" class=\"alert\" id=\"csrf\">x</p>",
            "# Title {#csrf .alert onclick=alert(1)}",
            "<a href=\"https://e.example\" target=_blank rel=opener>x</a>",
            "[x](https://e.example \"a\\\" onmouseover=\\\"alert(1)\")",
            "<math><mtext></mtext><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<base href=https://evil.example/>",
            "<meta http-equiv=refresh content=0>",
            "`<script>`\n\n    <script>alert(1)</script>\n",
        ] {
            let page = html(hostile);
            judged(&page);
        }
        let image = html("![a map](https://e.example/p.png)");
        assert!(
            image.contains("<a href=\"https://e.example/p.png\""),
            "{image}"
        );
        assert!(image.contains("a map"), "{image}");
    }

    /// Every tag of a page is an allowed one, with allowed attributes.
    fn judged(page: &str) {
        for piece in page.split('<').skip(1) {
            let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("{page}"));
            let tag = tag.trim_start_matches('/').trim_end_matches('/');
            let mut words = tag.splitn(2, ' ');
            let name = words.next().unwrap_or_default();
            assert!(TAGS.contains(&name), "<{name}> in {page}");
            let rest = words.next().unwrap_or_default();
            for attribute in attributes(rest) {
                let known = ["href", "title", "rel", "start"].contains(&attribute.0);
                assert!(known, "{} in {page}", attribute.0);
                if attribute.0 == "href" {
                    let href = attribute.1;
                    let plain = ["http://", "https://", "mailto:", "#"];
                    let good = plain.iter().any(|start| href.starts_with(start))
                        || (href.starts_with('/') && !href[1..].starts_with(['/', '\\']));
                    assert!(good, "{href} in {page}");
                }
                if attribute.0 == "rel" {
                    assert_eq!(attribute.1, "nofollow noopener noreferrer");
                }
            }
        }
    }

    fn attributes(mut text: &str) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        while let Some((name, rest)) = text.split_once("=\"") {
            let (value, rest) = rest.split_once('"').unwrap_or((rest, ""));
            found.push((name.trim(), value));
            text = rest;
        }
        found
    }

    #[test]
    fn long_and_deep_texts_are_cut() {
        let long = "word ".repeat(MAX_TEXT);
        let page = html(&long);
        assert!(page.len() < 2 * MAX_TEXT && page.contains("too long to be shown"));
        for deep in [
            ">".repeat(20_000),
            "- ".repeat(20_000),
            "[".repeat(50_000),
            "*a ".repeat(50_000),
        ] {
            let page = html(&deep);
            assert!(page.matches("<blockquote>").count() <= MAX_DEPTH);
            assert!(page.matches("<ul>").count() <= MAX_DEPTH);
        }
        // Letters of several bytes are not cut apart.
        html(&"ä".repeat(MAX_TEXT));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_safe(text in "[a-z<>\"'=/:#!\\[\\]()`*_ \\n&;{}-]{0,300}") {
            judged(&html(&text));
        }
    }
}
