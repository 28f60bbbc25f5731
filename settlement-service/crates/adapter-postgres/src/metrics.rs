//! Business figures: what the saga's steps came to, and how settlements ended. Counted when the unit of work that holds
//! them is committed, so that nothing is counted that did not happen. Rows that cannot be read: somebody has to look. And
//! until when people have time after an outage.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, IntGauge, register_int_counter_vec, register_int_gauge};
use settlement_domain::{
    Answer, GatewayCall, Settlement, SettlementEvent, Status,
    call::CallStatus,
    ledger::{EntryKind, Transaction},
    settlement::What,
};

/// Registration fails only for a name that is registered twice: a bug of this file.
#[allow(clippy::expect_used)]
static STEPS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("outcry_saga_steps_total", "Steps and undos of the saga by result.", &["step", "result"])
        .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
static ENDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("outcry_settlements_ended_total", "Settlements that ended, by how.", &["end"])
        .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
pub(crate) static UNREADABLE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "outcry_unreadable_rows_total",
        "Rows that could not be read and were put aside, by table.",
        &["table"]
    )
    .expect("metric names are unique")
});

#[allow(clippy::expect_used)] // as above
pub(crate) static GRACE_UNTIL: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Until when people have time after the last outage, seconds since 1970; 0 if there was none.";
    register_int_gauge!("outcry_outage_grace_until_timestamp_seconds", help).expect("metric names are unique")
});

/// Tables of which rows are taken up by their due time.
const TAKEN_UP: [&str; 3] = ["gateway_call", "settlement", "standing"];

/// Makes visible from the start, at zero, what somebody has to be told of: what is missing cannot be alerted on.
pub(crate) fn show() {
    ENDS.with_label_values(&[Status::NeedsOperator.name()]);
    GRACE_UNTIL.set(0);
    for table in TAKEN_UP {
        UNREADABLE.with_label_values(&[table]);
    }
}

/// What one unit of work will have brought about.
#[derive(Default)]
pub(crate) struct Tally {
    steps: Vec<(&'static str, &'static str)>,
    ends: Vec<&'static str>,
}

impl Tally {
    pub(crate) fn call(&mut self, call: &GatewayCall) {
        let result = match call.status() {
            CallStatus::Answered(Answer::Succeeded { .. }) => "succeeded",
            CallStatus::Answered(Answer::Declined(_)) => "declined",
            CallStatus::Dropped => "dropped",
            CallStatus::Ready | CallStatus::InDoubt => return,
        };
        self.steps.push((call.operation().name(), result));
    }

    pub(crate) fn event(&mut self, event: &SettlementEvent) {
        match event.what {
            What::Shipped { .. } => self.steps.push(("ship", "succeeded")),
            What::Completed { .. } | What::Failed { .. } => self.ends.push(event.status.name()),
            What::Started { .. }
            | What::Escrowed { .. }
            | What::Disputed
            | What::SecondChanceRequested { .. }
            | What::SecondChanceOffered { .. }
            | What::SecondChanceAccepted { .. }
            | What::SecondChanceLapsed { .. }
            | What::RelistRequested => {}
        }
    }

    /// The buyer's reception has no event of its own; escrow is released by it, once.
    pub(crate) fn posted(&mut self, entry: &Transaction) {
        if entry.kind() == EntryKind::Released && entry.reversal().is_none() {
            self.steps.push(("receive", "succeeded"));
        }
    }

    /// Nothing but the operator moves a settlement that needs one, so it is saved as such once; and when more is heard of it, by
    /// which the operator has to look again.
    pub(crate) fn saved(&mut self, settlement: &Settlement) {
        if settlement.status() == Status::NeedsOperator {
            self.ends.push(Status::NeedsOperator.name());
        }
    }

    pub(crate) fn count(self) {
        for (step, result) in self.steps {
            STEPS.with_label_values(&[step, result]).inc();
        }
        for end in self.ends {
            ENDS.with_label_values(&[end]).inc();
        }
    }
}
