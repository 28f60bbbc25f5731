//! Whose saga it is that the yardstick plays, and what its rows hold: JSON as the service writes it, with other names.

use uuid::Uuid;

pub const AUTHORIZE: &str =
    r#"{"operation":"authorize","amount":{"amount":12050,"currency":"USD"},"method":"pm_card_visa"}"#;
pub const CAPTURE: &str = r#"{"operation":"capture","hold":"sim_018f0000-0000-7000-8000-000000000001:authorize:1","amount":{"amount":12050,"currency":"USD"}}"#;
pub const PAY_OUT: &str =
    r#"{"operation":"pay_out","seller":"bench-seller-4711","amount":{"amount":10845,"currency":"USD"}}"#;
pub const CHARGE: &str = r#""charge":"sim_018f0000-0000-7000-8000-000000000001:capture:1""#;
pub const DELIVERY: &str = r#""delivery":{"parcel":{"carrier":"UPS","tracking_number":"1Z999AA10123456784"},"shipped_at":"2030-01-01T00:00:00.000000Z","inspection_ends_at":"2030-01-04T00:00:00.000000Z"}"#;
pub const SPLIT: &str = r#""split":{"payout":{"amount":10845,"currency":"USD"},"commission":{"amount":1205,"currency":"USD"},"refunded":null},"received_at":"2030-01-01T00:00:00.000000Z""#;
pub const QUOTE: &str =
    r#"{"schedule":"default-1000-bps","currency":"USD","hammer":12050,"premium":0,"tax":0,"commission":1205}"#;
pub const TERMS: &str = r#"{"payment_due_s":345600,"ship_due_s":604800,"inspection_s":259200,"offer_day_s":86400}"#;
pub const REST: &str = r#"{"kind":"sale","dispute":null,"called_off":null,"succession":{"then":"relist"}}"#;
pub const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Whose saga it is.
pub struct Saga {
    pub id: Uuid,
    pub auction: Uuid,
    pub payout: Uuid,
    pub seller: String,
    pub buyer: String,
}

impl Saga {
    /// A new sale.
    pub fn new() -> Self {
        let person = |role: &str| format!("bench-{role}-{}", fastrand::u32(..5_000));
        let (seller, buyer) = (person("seller"), person("buyer"));
        Self { id: Uuid::now_v7(), auction: Uuid::now_v7(), payout: Uuid::now_v7(), seller, buyer }
    }

    /// The idempotency key of its first call for `operation`.
    pub fn key(&self, operation: &str) -> String {
        let subject = if operation == "pay_out" { self.payout } else { self.id };
        format!("{subject}:{operation}:1")
    }
}

pub fn authorized() -> String {
    r#"{"status":"authorized","hold":"sim_018f0000-0000-7000-8000-000000000001:authorize:1","method":"pm_card_visa","expires_at":"2030-01-08T00:00:00.000000Z"}"#.to_owned()
}

pub fn escrowed() -> String {
    format!(r#"{{"status":"escrowed",{CHARGE},"ship_due_at":"2030-01-08T00:00:00.000000Z","cancel":null}}"#)
}

pub fn shipped() -> String {
    format!(r#"{{"status":"shipped",{CHARGE},{DELIVERY}}}"#)
}

pub fn received(owed: &str) -> String {
    format!(r#"{{"status":"received",{CHARGE},{DELIVERY},{SPLIT},"owed":{owed}}}"#)
}

pub fn completed(saga: &Saga) -> String {
    let payout = saga.payout;
    format!(
        r#"{{"status":"completed",{CHARGE},{DELIVERY},{SPLIT},"completed_at":"2030-01-01T00:00:00.000000Z","payout_id":"{payout}"}}"#
    )
}

pub fn started(saga: &Saga) -> String {
    let Saga { id, auction, seller, buyer, .. } = saga;
    format!(
        r#"{{"settlement_id":"{id}","auction_id":"{auction}","seller_id":"{seller}","buyer_id":"{buyer}","amount":12050,"currency":"USD","status":"awaiting_payment","payment_due_at":"2030-01-05T00:00:00.000000Z","started_at":"2030-01-01T00:00:00.000000Z","kind":"sale"}}"#
    )
}

pub fn call(saga: &Saga, instruction: &str, tries: u32, status: &str) -> String {
    let (kind, id) = if instruction == PAY_OUT { ("payout_id", saga.payout) } else { ("settlement_id", saga.id) };
    format!(
        r#"{{"{kind}":"{id}","attempt":1,"instruction":{instruction},"tries":{tries},"doubted":false,"status":{status},"due_at":"2030-01-01T00:00:00.000000Z"}}"#
    )
}

pub fn answer(saga: &Saga) -> String {
    let Saga { id, auction, seller, buyer, .. } = saga;
    format!(
        r#"{{"outcome":"done","settlement":{{"id":"{id}","auction_id":"{auction}","seller_id":"{seller}","buyer_id":"{buyer}","price":{{"amount":12050,"currency":"USD"}},"hammer":{{"amount":12050,"currency":"USD"}},"premium":{{"amount":0,"currency":"USD"}},"tax":{{"amount":0,"currency":"USD"}},"fee_schedule":"default-1000-bps","kind":"sale","status":"shipped","started_at":"2030-01-01T00:00:00.000000Z","payment_due_at":"2030-01-05T00:00:00.000000Z","declined":null,"ship_due_at":null,"parcel":{{"carrier":"UPS","tracking_number":"1Z999AA10123456784"}},"shipped_at":"2030-01-01T00:00:00.000000Z","inspection_ends_at":"2030-01-04T00:00:00.000000Z","received_at":null,"payout":null,"commission":null,"refunded":null,"failure_reason":null,"cancel_wish":null,"dispute":null,"operator_reason":null,"operator_actions":[],"resolutions":[],"payout_id":null,"ended_at":null,"due_at":"2030-01-04T00:00:00.000000Z","sequence":3}}}}"#
    )
}
