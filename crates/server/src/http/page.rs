//! What a person sees who opens the server's address in a browser.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use crate::app::App;

pub(super) async fn page(State(app): State<Arc<App>>) -> Response {
    // A realm's name is a DNS name in lower case: nothing in it needs escaping.
    let realm = app.realm.settings().name.as_str();
    let page = format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{realm}</title>\n\
         <p>This is the Veche server of the realm <strong>{realm}</strong>; people reach it with the \
         <code>veche</code> command, and its <a href=\"/health\">health</a> is at <code>/health</code>.\n\
         </html>\n"
    );
    // Nothing is loaded and nothing runs, whatever a browser might be talked into.
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}
