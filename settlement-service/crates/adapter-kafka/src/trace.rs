//! W3C trace context (`traceparent`, version 00) read back into a span's parent.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};

/// The remote parent that `traceparent` names; `None` if it names none.
pub(crate) fn parent(traceparent: &str) -> Option<Context> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then(|| Context::new().with_remote_span_context(context))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::parent;

    #[test]
    fn a_traceparent_names_its_trace_and_a_broken_one_names_none() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let context = parent(&format!("00-{trace}-00f067aa0ba902b7-01")).expect("the example of the recommendation");
        assert_eq!(context.span().span_context().trace_id().to_string(), trace);
        for broken in ["", "00", "00-0-0-0", &format!("ff-{trace}-00f067aa0ba902b7-01"), &format!("00-{trace}-zz-01")] {
            assert!(parent(broken).is_none(), "{broken}");
        }
    }
}
