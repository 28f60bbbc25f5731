//! Operations that are to go. One line in [`RETIRING`] marks one: the document says `deprecated` and both dates, and each
//! answer of the operation has the headers `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::json;
use utoipa::openapi::{Deprecated, OpenApi as Document};

/// An operation that is to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retiring {
    /// Its method, in capitals.
    pub method: &'static str,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// The day since which nobody should begin to use it, like `2027-01-31`.
    pub since: &'static str,
    /// The day from which on it may be gone, at least 90 days later.
    pub sunset: &'static str,
}

/// Every operation that is to go: none for now.
pub(crate) const RETIRING: &[Retiring] = &[];

/// Says so in the document.
pub(crate) fn mark(document: &mut Document, retiring: &[Retiring]) {
    for Retiring { method, path, since, sunset } in retiring {
        let Some(item) = document.paths.paths.get_mut(*path) else { continue };
        let operation = match *method {
            "GET" => &mut item.get,
            "POST" => &mut item.post,
            "PUT" => &mut item.put,
            "PATCH" => &mut item.patch,
            _ => &mut item.delete,
        };
        let Some(operation) = operation else { continue };
        operation.deprecated = Some(Deprecated::True);
        let dates = [("x-deprecated-at", json!(since)), ("x-sunset", json!(sunset))];
        operation.extensions.get_or_insert_default().merge(dates.into_iter().collect());
    }
}

/// Says so in the answers.
pub(crate) async fn announce(State(retiring): State<&'static [Retiring]>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    // HEAD is a GET without a body (RFC 9110 §9.3.2).
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let found = retiring.iter().find(|known| Some(known.path) == path && method.as_str() == known.method);
    let mut response = next.run(request).await;
    if let Some((since, sunset)) = found.and_then(|found| Some((day(found.since)?, day(found.sunset)?))) {
        let told = [
            ("deprecation", format!("@{}", since.timestamp())),
            ("sunset", sunset.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ];
        for (name, value) in told {
            response
                .headers_mut()
                .extend(HeaderValue::try_from(value).map(|value| (HeaderName::from_static(name), value)));
        }
    }
    response
}

fn day(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware};
    use tower::ServiceExt;
    use utoipa_axum::{router::OpenApiRouter, routes};

    use super::*;

    const OLD: &[Retiring] =
        &[Retiring { method: "GET", path: "/v1/lots/{id}", since: "2027-01-01", sunset: "2027-06-30" }];

    #[utoipa::path(get, path = "/v1/lots/{id}", operation_id = "getLot", responses((status = 200)))]
    async fn get_lot() {}

    #[utoipa::path(delete, path = "/v1/lots/{id}", operation_id = "dropLot", responses((status = 200)))]
    async fn drop_lot() {}

    fn lots() -> (Router, Document) {
        OpenApiRouter::new().routes(routes!(get_lot, drop_lot)).split_for_parts()
    }

    async fn told(method: Method) -> [Option<String>; 2] {
        let routes = lots().0.layer(middleware::from_fn_with_state(OLD, announce));
        let request = Request::builder().method(method).uri("/v1/lots/7").body(Body::empty()).expect("a request");
        let response = routes.oneshot(request).await.expect("an answer");
        ["deprecation", "sunset"].map(|name| Some(response.headers().get(name)?.to_str().ok()?.to_owned()))
    }

    #[tokio::test]
    async fn every_answer_of_an_operation_that_is_to_go_says_since_when_and_until_when() {
        let [deprecation, sunset] = told(Method::GET).await;
        assert_eq!(deprecation.as_deref(), Some("@1798761600"));
        assert_eq!(sunset.as_deref(), Some("Wed, 30 Jun 2027 00:00:00 GMT"));
        assert_eq!(told(Method::HEAD).await, told(Method::GET).await);
        assert_eq!(told(Method::DELETE).await, [None, None], "another operation of the same path stays");
    }

    #[test]
    fn the_document_says_so_too() {
        let mut document = lots().1;
        mark(&mut document, OLD);
        let document = serde_json::to_value(document).expect("JSON");
        let (gone, stays) = (&document["paths"]["/v1/lots/{id}"]["get"], &document["paths"]["/v1/lots/{id}"]["delete"]);
        assert_eq!((&gone["deprecated"], &gone["x-sunset"]), (&json!(true), &json!("2027-06-30")));
        assert_eq!((&gone["x-deprecated-at"], &stays["deprecated"]), (&json!("2027-01-01"), &json!(null)));
    }

    #[test]
    fn every_operation_that_is_to_go_is_there_and_has_its_dates() {
        let document = serde_json::to_value(crate::openapi::document()).expect("JSON");
        for Retiring { method, path, since, sunset } in RETIRING {
            let operation = &document["paths"][*path][method.to_lowercase()];
            assert_eq!(operation["deprecated"], true, "{method} {path} is not in the document");
            assert!(day(since).zip(day(sunset)).is_some_and(|(since, sunset)| since < sunset), "{method} {path}");
        }
    }
}
