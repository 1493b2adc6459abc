//! Rules as they are written: `[[rule]]` and `[[site.rule]]`.

use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};

use super::shapes::{List, OFF, Pairs, Parsed, Switched, parse};
use crate::site::{
    Cors, ErrorPages, ExposedName, FieldName, FieldValue, Fields, IndexName, Origin, Origins,
    PathGlob, Redirect, RedirectError, RedirectStatus, RedirectTarget, Rule, Settings, SitePath,
    StatusPattern, Switch,
};

/// One rule.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(try_from = "RuleKeys")]
pub struct RuleTable(
    /// What it means.
    pub Rule,
);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuleKeys {
    #[serde(rename = "match")]
    globs: List<PathGlob>,
    cache_control: Option<Parsed<FieldValue>>,
    #[serde(default)]
    set: SetValue,
    cors: Option<CorsValue>,
    redirect: Option<RedirectValue>,
    #[serde(default)]
    error_pages: ErrorPagesValue,
    fallback: Option<FallbackValue>,
    index: Option<List<IndexName>>,
    listing: Option<bool>,
    hidden: Option<bool>,
    compress: Option<bool>,
    precompressed: Option<bool>,
}

impl TryFrom<RuleKeys> for RuleTable {
    type Error = &'static str;

    fn try_from(keys: RuleKeys) -> Result<Self, &'static str> {
        if keys.globs.0.is_empty() {
            return Err("a rule that matches nothing: write match = \"**\" for every path");
        }
        let mut fields = keys.set.0;
        if let Some(Parsed(value)) = keys.cache_control
            && fields.set(FieldName::cache_control(), value).is_some()
        {
            return Err("`cache-control` is given twice: by itself and in `set`");
        }
        let settings = Settings {
            fields,
            cors: keys.cors.map(|value| value.0),
            redirect: keys.redirect.map(|value| value.0),
            error_pages: keys.error_pages.0,
            fallback: keys.fallback.map(|value| value.0),
            index: keys.index.map(|names| names.0.into()),
            listing: keys.listing,
            hidden: keys.hidden,
            compress: keys.compress,
            precompressed: keys.precompressed,
        };
        if settings == Settings::default() {
            return Err("a rule that says nothing: add a setting beside `match`");
        }
        Ok(Self(Rule {
            globs: keys.globs.0.into(),
            settings,
        }))
    }
}

#[derive(Default)]
struct SetValue(Fields);

impl<'de> Deserialize<'de> for SetValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::default();
        for (name, value) in Pairs::<FieldName, FieldValue>::deserialize(deserializer)?.0 {
            if fields.set(name, value).is_some() {
                return Err(de::Error::custom(
                    "a field is given twice: case makes no difference",
                ));
            }
        }
        Ok(Self(fields))
    }
}

#[derive(Default)]
struct ErrorPagesValue(ErrorPages);

impl<'de> Deserialize<'de> for ErrorPagesValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut pages = ErrorPages::default();
        for (status, page) in Pairs::<StatusPattern, SitePath>::deserialize(deserializer)?.0 {
            pages.set(status, page);
        }
        Ok(Self(pages))
    }
}

struct FallbackValue(Switch<SitePath>);

impl<'de> Deserialize<'de> for FallbackValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            OFF => Ok(Self(Switch::Off)),
            path => parse(path)
                .map(|path| Self(Switch::On(path)))
                .map_err(de::Error::custom),
        }
    }
}

struct RedirectValue(Switch<Redirect>);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RedirectKeys {
    to: Parsed<RedirectTarget>,
    #[serde(default)]
    status: StatusNumber,
}

#[derive(Default, serde::Deserialize)]
#[serde(try_from = "i64")]
struct StatusNumber(RedirectStatus);

impl TryFrom<i64> for StatusNumber {
    type Error = RedirectError;

    fn try_from(status: i64) -> Result<Self, RedirectError> {
        status.try_into().map(Self)
    }
}

impl<'de> Deserialize<'de> for RedirectValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Switched {
            expecting: "a table with `to` and `status`, a path or URI, or \"none\"",
            word: |text| {
                let to = parse(text)?;
                let status = RedirectStatus::default();
                Ok(Redirect { to, status })
            },
            table: |keys: RedirectKeys| {
                let (Parsed(to), StatusNumber(status)) = (keys.to, keys.status);
                Ok(Redirect { to, status })
            },
        }
        .deserialize(deserializer)
        .map(Self)
    }
}

struct CorsValue(Switch<Cors>);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CorsKeys {
    origins: List<OriginOrAny>,
    #[serde(default)]
    credentials: bool,
    expose: Option<List<ExposedName>>,
    max_age: Option<u32>,
}

enum OriginOrAny {
    Any,
    Origin(Origin),
}

impl FromStr for OriginOrAny {
    type Err = <Origin as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => Ok(Self::Any),
            _ => text.parse().map(Self::Origin),
        }
    }
}

impl CorsKeys {
    fn check(self) -> Result<Cors, &'static str> {
        let count = self.origins.0.len();
        let listed: Vec<Origin> = self
            .origins
            .0
            .into_iter()
            .filter_map(|origin| match origin {
                OriginOrAny::Any => None,
                OriginOrAny::Origin(origin) => Some(origin),
            })
            .collect();
        let origins = if count == 0 {
            return Err("`origins` is empty: write cors = \"none\" to allow nobody");
        } else if listed.len() == count {
            Origins::Listed {
                origins: listed.into(),
                credentials: self.credentials,
            }
        } else if count > 1 {
            return Err("`*` beside other origins: leave out the others");
        } else if self.credentials {
            return Err("`credentials` with any origin, which browsers refuse: list the origins");
        } else {
            Origins::Any
        };
        let expose = self.expose.map_or(Vec::new(), |names| names.0);
        Ok(Cors::new(origins, &expose, self.max_age))
    }
}

impl<'de> Deserialize<'de> for CorsValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTING: &str = "a table with `origins`, or \"none\"";
        Switched {
            expecting: EXPECTING,
            word: |text| Err(format!("`{text}`: it must be {EXPECTING}")),
            table: |keys: CorsKeys| keys.check().map_err(str::to_owned),
        }
        .deserialize(deserializer)
        .map(Self)
    }
}
