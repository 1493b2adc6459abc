//! Rules: what they say of the paths that they match, and what comes of them all for one path.

use super::{
    Cors, ErrorPages, FieldName, FieldValue, Fields, IndexName, PathGlob, Redirect, Redirection,
    SitePath,
};

/// A setting that a later rule may take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch<T> {
    /// Taken back.
    Off,
    /// Set.
    On(T),
}

impl<T> Switch<T> {
    /// The setting, if it is not taken back.
    fn as_option(&self) -> Option<&T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

/// What one rule says; what is `None` or empty is left as the rules before it have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Response fields to set.
    pub fields: Fields,
    /// Cross-origin requests.
    pub cors: Option<Switch<Cors>>,
    /// A redirect instead of a file.
    pub redirect: Option<Switch<Redirect>>,
    /// Pages for errors.
    pub error_pages: ErrorPages,
    /// A page instead of 404.
    pub fallback: Option<Switch<SitePath>>,
    /// The names of the files that are served for a directory, the first that is there.
    pub index: Option<Box<[IndexName]>>,
    /// Whether a directory without such a file is listed.
    pub listing: Option<bool>,
    /// Whether files are served whose path has a segment that begins with a dot.
    pub hidden: Option<bool>,
    /// Whether text may be compressed on the way.
    pub compress: Option<bool>,
    /// Whether `.br`, `.zst` and `.gz` files beside a file may be sent in its place.
    pub precompressed: Option<bool>,
}

/// Settings for the paths that one of the globs matches.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The globs; the first that matches decides what `{rest}` of a redirect is.
    pub globs: Box<[PathGlob]>,
    /// What holds for those paths.
    pub settings: Settings,
}

/// What holds where no rule says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// See [`Settings::index`].
    pub index: Box<[IndexName]>,
    /// See [`Settings::listing`].
    pub listing: bool,
    /// See [`Settings::hidden`].
    pub hidden: bool,
    /// See [`Settings::compress`].
    pub compress: bool,
    /// See [`Settings::precompressed`].
    pub precompressed: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            index: "index.html".parse().into_iter().collect(),
            listing: true,
            hidden: false,
            compress: true,
            precompressed: true,
        }
    }
}

/// How requests for one path are treated, after all rules. It depends on nothing else of a request: make it once, and
/// share it (as `Rc`) with what is remembered of the path.
///
/// To be followed in this order: a preflight is answered ([`CorsRequest::is_preflight`](super::CorsRequest)); a redirect
/// is made; what is `refused` is 404; then the file, the index, the listing, the fallback, or an error with its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// Fields to set; those of [`Fields::for_answer`] go with each answer, in place of the server's own of the same name.
    pub fields: Fields,
    /// Cross-origin requests; `None`: nothing is said of them.
    pub cors: Option<Cors>,
    /// To be answered with instead of looking for a file.
    pub redirect: Option<Redirection>,
    /// Whether the path is hidden and no rule lets it be served: 404, as if there were nothing.
    pub refused: bool,
    /// Pages for errors.
    pub error_pages: ErrorPages,
    /// Served with 200, and as if it had been asked for, when nothing is found at the path (404, but not when `refused`),
    /// the method is GET or HEAD, and [`Accept::accepts_html`](crate::http::Accept::accepts_html) says that a page is
    /// asked for.
    pub fallback: Option<SitePath>,
    /// See [`Settings::index`].
    pub index: Box<[IndexName]>,
    /// See [`Settings::listing`].
    pub listing: bool,
    /// Whether a listing names what begins with a dot.
    pub hidden: bool,
    /// Whether the file may be compressed on the way. Never true when a rule sets `content-encoding`.
    pub compress: bool,
    /// Whether a compressed file beside it may be sent in its place. Never true when a rule sets `content-encoding`.
    pub precompressed: bool,
}

impl Default for Treatment {
    /// That of a path that no rule is about.
    fn default() -> Self {
        Self::of(&Defaults::default(), core::iter::empty(), b"", false)
    }
}

impl Treatment {
    /// Applies `rules` in their order to a path relative to the site's `/`. `hidden` says whether the path is.
    pub(super) fn of<'r>(
        defaults: &Defaults,
        rules: impl Iterator<Item = &'r Rule>,
        path: &[u8],
        hidden: bool,
    ) -> Self {
        let mut fields = Fields::default();
        fields.set(FieldName::content_type_options(), FieldValue::nosniff());
        let mut treatment = Self {
            fields,
            cors: None,
            redirect: None,
            refused: false,
            error_pages: ErrorPages::default(),
            fallback: None,
            index: defaults.index.clone(),
            listing: defaults.listing,
            hidden: defaults.hidden,
            compress: defaults.compress,
            precompressed: defaults.precompressed,
        };
        let (mut cors, mut redirect, mut fallback) = (None, None, None);
        for rule in rules {
            let Some(rest) = rule.globs.iter().find_map(|glob| glob.matches(path)) else {
                continue;
            };
            let settings = &rule.settings;
            treatment.fields.merge(&settings.fields);
            treatment.error_pages.merge(&settings.error_pages);
            if let Some(given) = &settings.cors {
                cors = given.as_option();
            }
            if let Some(given) = &settings.redirect {
                redirect = given.as_option().map(|redirect| (redirect, rest));
            }
            if let Some(given) = &settings.fallback {
                fallback = given.as_option();
            }
            if let Some(index) = &settings.index {
                treatment.index.clone_from(index);
            }
            for (given, to) in [
                (settings.listing, &mut treatment.listing),
                (settings.hidden, &mut treatment.hidden),
                (settings.compress, &mut treatment.compress),
                (settings.precompressed, &mut treatment.precompressed),
            ] {
                *to = given.unwrap_or(*to);
            }
        }
        treatment.cors = cors.cloned();
        treatment.fallback = fallback.cloned();
        treatment.redirect = redirect.and_then(|(redirect, rest)| redirect.of(path, rest));
        treatment.refused = hidden && !treatment.hidden;
        let coded = treatment.fields.get("content-encoding").is_some();
        treatment.compress &= !coded;
        treatment.precompressed &= !coded;
        treatment
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::site::Carries;
    use crate::site::Origins;

    fn rule(globs: &[&str], settings: Settings) -> Rule {
        Rule {
            globs: globs.iter().map(|glob| glob.parse().unwrap()).collect(),
            settings,
        }
    }

    fn fields(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            let (name, value) = (name.parse().unwrap(), value.parse().unwrap());
            settings.fields.set(name, value);
        }
        settings
    }

    fn treatment(rules: &[Rule], path: &str) -> Treatment {
        let defaults = Defaults::default();
        Treatment::of(&defaults, rules.iter(), path.as_bytes(), false)
    }

    #[test]
    fn without_rules_the_defaults_hold() {
        let treatment = treatment(&[], "a/b.css");
        assert_eq!(
            treatment
                .fields
                .for_answer(404, Carries::Nothing)
                .collect::<Vec<_>>(),
            [("x-content-type-options", &b"nosniff"[..])]
        );
        assert_eq!(treatment.index.len(), 1);
        assert_eq!(treatment.index[0].as_bytes(), b"index.html");
        assert!(treatment.listing && treatment.compress && treatment.precompressed);
        assert!(!treatment.hidden && !treatment.refused);
        assert_eq!(treatment.redirect, None);
        assert_eq!(treatment.cors, None);
        assert_eq!(treatment.fallback, None);
    }

    #[test]
    fn later_rules_override_setting_by_setting_and_fields_merge() {
        let short = Settings {
            listing: Some(false),
            error_pages: {
                let mut pages = ErrorPages::default();
                pages.set("404".parse().unwrap(), "/a".parse().unwrap());
                pages.set("5xx".parse().unwrap(), "/b".parse().unwrap());
                pages
            },
            ..fields(&[("cache-control", "max-age=60"), ("x-a", "1")])
        };
        let long = Settings {
            compress: Some(false),
            error_pages: {
                let mut pages = ErrorPages::default();
                pages.set("404".parse().unwrap(), "/c".parse().unwrap());
                pages
            },
            ..fields(&[("cache-control", "max-age=3600"), ("x-b", "2")])
        };
        let rules = [rule(&["**"], short), rule(&["*.css", "/img/**"], long)];
        for path in ["a.css", "img/x"] {
            let both = treatment(&rules, path);
            assert_eq!(both.fields.get("cache-control"), Some(&b"max-age=3600"[..]));
            assert_eq!(both.fields.get("x-a"), Some(&b"1"[..]));
            assert_eq!(both.fields.get("x-b"), Some(&b"2"[..]));
            assert_eq!(both.error_pages.get(404).unwrap().as_bytes(), b"c");
            assert_eq!(both.error_pages.get(500).unwrap().as_bytes(), b"b");
            assert!(!both.listing && !both.compress && both.precompressed);
        }
        let first = treatment(&rules, "a.js");
        assert_eq!(first.fields.get("cache-control"), Some(&b"max-age=60"[..]));
        assert_eq!(first.fields.get("x-b"), None);
        assert!(first.compress);
        // In the other order the wide rule wins.
        let [wide, narrow] = rules;
        let turned = treatment(&[narrow, wide], "a.css");
        assert_eq!(turned.fields.get("cache-control"), Some(&b"max-age=60"[..]));
    }

    #[test]
    fn what_a_rule_switched_on_a_later_one_takes_back() {
        let redirect = Redirect {
            to: "/new/{rest}".parse().unwrap(),
            status: 301.try_into().unwrap(),
        };
        let on = Settings {
            cors: Some(Switch::On(Cors::new(Origins::Any, &[], None))),
            redirect: Some(Switch::On(redirect)),
            fallback: Some(Switch::On("/index.html".parse().unwrap())),
            index: Some(Box::new([])),
            ..Settings::default()
        };
        let off = Settings {
            cors: Some(Switch::Off),
            redirect: Some(Switch::Off),
            fallback: Some(Switch::Off),
            ..Settings::default()
        };
        let rules = [rule(&["/old/**"], on), rule(&["/old/feed.xml"], off)];
        let there = treatment(&rules, "old/a");
        let redirection = there.redirect.unwrap();
        let mut location = Vec::new();
        redirection.location(None, &mut location);
        assert_eq!((redirection.status(), &location[..]), (301, &b"/new/a"[..]));
        assert!(there.cors.is_some() && there.fallback.is_some() && there.index.is_empty());
        let back = treatment(&rules, "old/feed.xml");
        assert_eq!(
            (back.redirect, back.cors, back.fallback),
            (None, None, None)
        );
    }

    #[test]
    fn the_glob_that_matches_first_decides_what_the_rest_is() {
        let redirect = Redirect {
            to: "/n/{rest}".parse().unwrap(),
            status: 308.try_into().unwrap(),
        };
        let settings = Settings {
            redirect: Some(Switch::On(redirect)),
            ..Settings::default()
        };
        let rules = [rule(&["/a/**", "/b/c/**"], settings)];
        for (path, location) in [("a/c/d", "/n/c/d"), ("b/c/d", "/n/d")] {
            let mut led = Vec::new();
            treatment(&rules, path)
                .redirect
                .unwrap()
                .location(None, &mut led);
            assert_eq!(led, location.as_bytes());
        }
    }

    #[test]
    fn hidden_files_are_served_where_a_rule_says_so() {
        let show = Settings {
            hidden: Some(true),
            ..Settings::default()
        };
        let rules = [rule(&["/.config/**"], show)];
        let refused = |path: &str| {
            Treatment::of(&Defaults::default(), rules.iter(), path.as_bytes(), true).refused
        };
        assert!(!refused(".config/a"));
        assert!(refused(".git/a"));
    }

    #[test]
    fn a_coding_set_by_a_rule_is_the_only_one() {
        let rules = [rule(&["*.svgz"], fields(&[("content-encoding", "gzip")]))];
        let coded = treatment(&rules, "a.svgz");
        assert!(!coded.compress && !coded.precompressed);
        assert!(treatment(&rules, "a.svg").compress);
    }
}
