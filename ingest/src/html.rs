//! HTML that a wiki puts into `Artist`, `Credit` and `ImageDescription`, as plain text.

use scraper::{Html, Node, node::Element};
use url::Url;

/// Longest HTML looked at, in bytes; what follows is cut off.
pub const MAX_HTML_BYTES: usize = 64 * 1024;

/// Most `<` looked at; the text is cut before the next one. Misnested
/// formatting elements are cloned into every block that follows them, so the
/// tree can grow with the square of the tags: 1,000 tags bound it to 250,000 nodes.
pub const MAX_TAGS: usize = 1_000;

/// Longest link kept, in bytes.
pub const MAX_LINK_BYTES: usize = 2_048;

/// Where links without a host point to.
pub const COMMONS: &str = "https://commons.wikimedia.org/wiki/";

/// HTML as text on one line, and the first link in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flat {
    /// No tags, no entities, no control or bidirectional override characters;
    /// white space of any kind, blocks and `<br>` are single spaces.
    pub text: String,
    /// Absolute, `http` or `https`, without user name and password.
    pub link: Option<String>,
}

/// Flattens HTML; links without a host are read as of Wikimedia Commons.
///
/// Hidden elements, scripts and styles are left out. Of a description in
/// several languages (`<div class="description" lang="..">`) the English one
/// is taken, else the first, without its label.
pub fn flatten(html: &str) -> Flat {
    flatten_from(html, COMMONS)
}

/// As [`flatten`], for a wiki whose pages are at `base`. Links without a host
/// are left out where `base` is no URL.
pub fn flatten_from(html: &str, base: &str) -> Flat {
    let html = bounded(html);
    let mut out = Folded::default();
    if !html.contains(['<', '&']) {
        out.push(html);
        return out.flat(None);
    }
    let page = Html::parse_fragment(html);
    let language = wanted_language(&page);
    let base = Url::parse(base).ok();
    let mut link = None;
    // Walked with the tree's own links instead of recursion: depth costs nothing.
    let mut next = Some(page.tree.root());
    while let Some(node) = next {
        let mut inside = true;
        match node.value() {
            Node::Text(text) => out.push(text),
            Node::Element(element) => {
                if is_hidden(element) || is_other_language(element, language.as_deref()) {
                    inside = false;
                } else {
                    if !is_inline(element.name()) {
                        out.space();
                    }
                    if link.is_none() && element.name() == "a" {
                        link = element
                            .attr("href")
                            .and_then(|href| real_link(href, base.as_ref()));
                    }
                }
            }
            _ => {}
        }
        let child = node.first_child().filter(|_| inside);
        next = child.or_else(|| {
            let mut at = node;
            loop {
                if at
                    .value()
                    .as_element()
                    .is_some_and(|e| !is_inline(e.name()))
                {
                    out.space();
                }
                if let Some(sibling) = at.next_sibling() {
                    return Some(sibling);
                }
                at = at.parent()?;
            }
        });
    }
    out.flat(link)
}

/// The part of the HTML within [`MAX_HTML_BYTES`] and [`MAX_TAGS`].
fn bounded(html: &str) -> &str {
    let html = &html[..html.floor_char_boundary(MAX_HTML_BYTES)];
    match html.match_indices('<').nth(MAX_TAGS) {
        Some((at, _)) => &html[..at],
        None => html,
    }
}

/// Text with its white space folded.
#[derive(Default)]
struct Folded {
    text: String,
    gap: bool,
}

impl Folded {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.gap = true;
            } else if !is_control(c) {
                if self.gap && !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.gap = false;
                self.text.push(c);
            }
        }
    }

    fn space(&mut self) {
        self.gap = true;
    }

    fn flat(self, link: Option<String>) -> Flat {
        Flat {
            text: self.text,
            link,
        }
    }
}

/// Control characters, and those that turn the direction of what follows. The
/// marks that only inform (joiners, left-to-right mark) stay: languages need them.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "code"
            | "em"
            | "font"
            | "i"
            | "ins"
            | "kbd"
            | "mark"
            | "q"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
    )
}

fn is_hidden(element: &Element) -> bool {
    if matches!(
        element.name(),
        "script" | "style" | "template" | "head" | "title" | "noscript" | "iframe" | "object"
    ) || element.attr("hidden").is_some()
    {
        return true;
    }
    element.attr("style").is_some_and(|style| {
        let style: String = style
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        style.split(';').any(|rule| {
            let rule = rule.strip_suffix("!important").unwrap_or(rule);
            matches!(rule, "display:none" | "visibility:hidden")
        })
    })
}

/// The language of a block that is one of several translations.
fn translation(element: &Element) -> Option<&str> {
    let block = element.name() == "div" && element.classes().any(|c| c == "description");
    element.attr("lang").filter(|_| block)
}

/// Which translation to take: English, else the first; `None` where there is no choice.
fn wanted_language(html: &Html) -> Option<String> {
    let languages = || {
        html.tree
            .values()
            .filter_map(Node::as_element)
            .filter_map(translation)
    };
    let first = languages().next()?;
    let english = languages().find(|l| *l == "en" || l.starts_with("en-"));
    Some(english.unwrap_or(first).to_owned())
}

fn is_other_language(element: &Element, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return false;
    };
    let label = element.name() == "span" && element.classes().any(|c| c == "language");
    label || translation(element).is_some_and(|language| language != wanted)
}

/// A link as an absolute web address; fragments, `javascript:`, `data:`,
/// `mailto:` and addresses with a password are none.
fn real_link(href: &str, base: Option<&Url>) -> Option<String> {
    let href = href.trim();
    if href.is_empty() || href.starts_with('#') || href.len() > MAX_LINK_BYTES {
        return None;
    }
    let url = Url::options().base_url(base).parse(href).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let plain = url.username().is_empty() && url.password().is_none();
    let text = String::from(url);
    (web && plain && text.len() <= MAX_LINK_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(html: &str) -> String {
        flatten(html).text
    }

    fn link(html: &str) -> Option<String> {
        flatten(html).link
    }

    /// The forms of `Artist` and `ImageDescription` in recorded Commons answers.
    #[test]
    fn recorded_forms() {
        for (html, text, link) in [
            ("Artist Name", "Artist Name", None),
            (
                "<div class=\"fn value\">\nJona Lendering</div>",
                "Jona Lendering",
                None,
            ),
            (
                "<a href=\"//commons.wikimedia.org/w/index.php?title=User:NotaRealUser&amp;action=edit&amp;redlink=1\" class=\"new\" title=\"User:NotaRealUser (page does not exist)\">NotaRealUser</a>",
                "NotaRealUser",
                Some(
                    "https://commons.wikimedia.org/w/index.php?title=User:NotaRealUser&action=edit&redlink=1",
                ),
            ),
            (
                "<a href=\"https://test.com/linkspot\" title=\"linktitle\">link text</a>",
                "link text",
                Some("https://test.com/linkspot"),
            ),
            (
                "<a rel=\"nofollow\" class=\"external text\" href=\"https://www.flickr.com/people/16707908@N07\">Jeff &amp; Brian</a> from Eastbourne",
                "Jeff & Brian from Eastbourne",
                Some("https://www.flickr.com/people/16707908@N07"),
            ),
            (
                "<br><br><big><b>Identificatie</b></big><br><b>Titel(s): </b>Allegorie op kunstenaar",
                "Identificatie Titel(s): Allegorie op kunstenaar",
                None,
            ),
            (
                "<p><a href=\"https://a.example/1\">https://a.example/1</a>\n</p>\n<ul><li>Source book page: x</li><li>y</li></ul>",
                "https://a.example/1 Source book page: x y",
                Some("https://a.example/1"),
            ),
        ] {
            let flat = flatten(html);
            assert_eq!((flat.text.as_str(), flat.link.as_deref()), (text, link));
        }
    }

    #[test]
    fn white_space_and_entities() {
        assert_eq!(text("  a\n\t b&nbsp;&nbsp;c\u{a0}d  "), "a b c d");
        assert_eq!(
            text("M&uuml;ller &lt;b&gt; &#x2764; &amp;"),
            "Müller <b> ❤ &"
        );
        assert_eq!(text("a<b>b</b>c<div>d</div>e<br/>f"), "abc d e f");
        assert_eq!(text("<table><tr><td>a</td><td>b</td></tr></table>"), "a b");
        assert_eq!(text("<bdi>שלום</bdi>, x"), "שלום, x");
        assert_eq!(text(""), "");
        assert_eq!(text("<p></p>"), "");
    }

    #[test]
    fn control_and_override_characters_are_dropped() {
        assert_eq!(text("a\u{202e}gpj.exe\u{7}\u{0}b\u{feff}"), "agpj.exeb");
        assert_eq!(text("a&#x202e;b"), "ab");
        // Persian needs its joiner.
        assert_eq!(text("می\u{200c}خواهم"), "می\u{200c}خواهم");
    }

    #[test]
    fn hidden_elements_scripts_and_comments_are_dropped() {
        for html in [
            "Unknown<span style=\"display: none;\">Unknown author</span>",
            "Unknown<span style=\"color:red;DISPLAY : NONE !important\">x</span>",
            "Unknown<span hidden>x</span>",
            "Unknown<span style=\"visibility:hidden\">x</span>",
            "Unknown<script>alert(1)</script>",
            "Unknown<style>.a{}</style>",
            "Unknown<!-- x -->",
            "Unknown<template>x</template>",
            "<script>never closed</script>Unknown",
        ] {
            assert_eq!(text(html), "Unknown", "{html}");
        }
        assert_eq!(
            link("<span hidden><a href=\"https://a.example/\">x</a></span>"),
            None
        );
    }

    #[test]
    fn one_language_is_taken_without_its_label() {
        let part = |code: &str, name: &str, text: &str| {
            format!(
                "<div class=\"description mw-content-ltr {code}\" dir=\"ltr\" lang=\"{code}\"><span class=\"language {code}\" title=\"\"><b>{name}:</b></span> {text}</div>"
            )
        };
        let both = part("de", "Deutsch", "Ein Berg") + &part("en", "English", "A mountain");
        assert_eq!(text(&both), "A mountain");
        let none = part("de", "Deutsch", "Ein Berg") + &part("fr", "Français", "Un mont");
        assert_eq!(text(&none), "Ein Berg");
        assert_eq!(text(&part("ja", "日本語", "山")), "山");
        assert_eq!(text("<span lang=\"en\">Own work</span>"), "Own work");
    }

    #[test]
    fn links_are_made_absolute_or_refused() {
        let a = |href: &str| link(&format!("<a href=\"{href}\">x</a>"));
        assert_eq!(a("//a.example/p").as_deref(), Some("https://a.example/p"));
        assert_eq!(
            a("/wiki/User:X").as_deref(),
            Some("https://commons.wikimedia.org/wiki/User:X")
        );
        // Stands like this in a recorded `Attribution`.
        assert_eq!(
            a("http:////commons.wikimedia.org/wiki/File:X.jpg").as_deref(),
            Some("http://commons.wikimedia.org/wiki/File:X.jpg")
        );
        for refused in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\nscript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "mailto:a@b.example",
            "vbscript:x",
            "file:///etc/passwd",
            "#cite",
            "",
            "https://me:secret@a.example/",
            "http://",
        ] {
            assert_eq!(a(refused), None, "{refused}");
        }
        assert_eq!(a(&format!("https://a.example/{}", "x".repeat(3000))), None);
        // The first real one.
        assert_eq!(
            link("<a name=\"t\"></a><a href=\"#x\">1</a><a href=\"https://a.example/\">2</a><a href=\"https://b.example/\">3</a>")
                .as_deref(),
            Some("https://a.example/")
        );
    }

    #[test]
    fn another_wiki_gives_its_own_base() {
        let html = "<a href=\"/wiki/X\">x</a>";
        let flat = flatten_from(html, "http://127.0.0.1:8080/wiki/");
        assert_eq!(flat.link.as_deref(), Some("http://127.0.0.1:8080/wiki/X"));
        assert_eq!(flatten_from(html, "not a url").link, None);
    }

    #[test]
    fn size_and_tags_are_bounded() {
        assert_eq!(text(&"é".repeat(MAX_HTML_BYTES)).len(), MAX_HTML_BYTES);
        let many = "<i>a</i>".repeat(MAX_TAGS);
        assert_eq!(text(&many).len(), MAX_TAGS / 2);
    }

    #[test]
    fn hostile_nesting_ends() {
        let deep = "<div>".repeat(20_000) + "x";
        assert_eq!(text(&deep), "");
        let deep = "<div>".repeat(900) + "x";
        assert_eq!(text(&deep), "x");
        // Formatting elements with different attributes are cloned into each paragraph.
        let formats: String = (0..500).map(|i| format!("<b a{i}>")).collect();
        assert_eq!(text(&(formats + &"<p>y".repeat(499))).len(), 499 * 2 - 1);
        assert_eq!(text(&("<a>".repeat(400) + &"</b>".repeat(400) + "z")), "z");
        assert_eq!(text(&("<table>".repeat(900) + "z")), "z");
    }

    /// Every `Artist`, `Credit`, `Attribution` and `ImageDescription` recorded.
    #[test]
    fn all_recordings_flatten_clean() {
        let mut seen = 0;
        crate::test_recorded::extmetadata(|_, fields| {
            for key in ["Artist", "Credit", "Attribution", "ImageDescription"] {
                let Some(html) = fields.get(key).and_then(|f| f["value"].as_str()) else {
                    continue;
                };
                let flat = flatten(html);
                assert!(!flat.text.is_empty(), "{html}");
                assert!(!flat.text.contains("</"), "{}", flat.text);
                assert!(!flat.text.contains("  "), "{}", flat.text);
                assert_eq!(flat.link.is_some(), html.contains("href="), "{html}");
                seen += 1;
            }
        });
        assert!(seen > 100, "only {seen} fields");
    }

    proptest! {
        #[test]
        fn any_input_gives_folded_text(html in "(<[a-z/!]{0,5}|[ -~]|\\PC|&[a-z#0-9]{1,6};|style=\"display:none\"|>){0,80}") {
            let flat = flatten(&html);
            prop_assert_eq!(flat.text.trim(), &flat.text);
            prop_assert!(!flat.text.contains("  "));
            prop_assert!(!flat.text.chars().any(is_control));
            if let Some(link) = flat.link {
                prop_assert!(link.starts_with("http://") || link.starts_with("https://"));
            }
        }
    }
}
