//! To which trace it belongs what a unit of work writes about a settlement.

use std::collections::HashMap;

use opentelemetry::trace::TraceContextExt;
use settlement_domain::SettlementId;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Traces by settlement, as W3C trace contexts.
#[derive(Debug, Default)]
pub(crate) struct Traces(HashMap<SettlementId, Option<String>>);

impl Traces {
    /// What is written about it from now on belongs to that span's trace.
    pub(crate) fn put(&mut self, id: SettlementId, span: &Span) {
        self.0.insert(id, traceparent(span));
    }

    /// Each one's; without an own one the current span's. None for what no span is behind.
    pub(crate) fn of_all(&self, ids: impl Iterator<Item = SettlementId>) -> Vec<Option<String>> {
        let current = traceparent(&Span::current());
        ids.map(|id| self.0.get(&id).unwrap_or(&current).clone()).collect()
    }
}

/// W3C trace context (`traceparent`, version 00) of a span.
pub(crate) fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}
