//! What is known of every sale of a run by the events that tell of it, and whose turn it is: buyers pay when a settlement
//! starts, sellers ship when the money is in escrow, buyers receive what was shipped.

use std::collections::{BTreeMap, HashMap, VecDeque};

use anyhow::Result;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::bench::tally::Latency;

/// What somebody does next about a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// The buyer.
    Pay,
    /// The seller.
    Ship,
    /// The buyer.
    Receive,
}

impl Act {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Ship => "ship",
            Self::Receive => "receive",
        }
    }
}

/// A turn: who is to do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// What.
    pub act: Act,
    /// About which settlement.
    pub settlement: Uuid,
    /// About which lot, by its number.
    pub lot: usize,
}

#[derive(Debug)]
struct Sale {
    lot: usize,
    last_sequence: u64,
    paid_at: Option<Instant>,
    received_at: Option<Instant>,
    completed: bool,
}

/// An event of settlement's, as far as it matters here.
#[derive(Debug)]
pub struct Told<'a> {
    /// What happened, e.g. `escrowed`.
    pub what: &'a str,
    /// To which settlement.
    pub settlement: Uuid,
    /// Its place among the settlement's events.
    pub sequence: u64,
    /// JSON.
    pub data: &'a [u8],
}

#[derive(Deserialize)]
struct Started {
    auction_id: Uuid,
}

/// Everything that is known and measured of the sales of a phase.
pub struct Floor {
    lots: HashMap<Uuid, usize>,
    sales: HashMap<Uuid, Sale>,
    to_pay: VecDeque<Turn>,
    to_ship: VecDeque<Turn>,
    to_receive: VecDeque<Turn>,
    /// How many sales may be paid and not completed at a time.
    at_once: usize,
    under_way: usize,
    /// Sales that are completed.
    pub completed: usize,
    /// When the first sale was begun to be paid.
    pub first_pay: Option<Instant>,
    /// When the last event came.
    pub last_event: Instant,
    /// From sending the payment until the event of the money in escrow is here.
    pub pay_to_escrowed: Latency,
    /// From sending the reception until the event that the seller is paid is here.
    pub receive_to_completed: Latency,
    /// Answers of the API, by what was asked.
    pub requests: BTreeMap<&'static str, Latency>,
    /// Faults by kind.
    pub errors: BTreeMap<String, u64>,
    /// Events that came more than once, which consumers have to bear.
    pub repeated: u64,
    /// What is wrong, in sentences.
    pub findings: Vec<String>,
}

impl Floor {
    /// Lots whose settlements are still to start, by their auctions.
    pub fn of_lots(lots: HashMap<Uuid, usize>, at_once: usize) -> Result<Self> {
        Self::new(lots, HashMap::new(), at_once)
    }

    /// Settlements that are there, after their event of that number, and move by themselves.
    pub fn of_settlements(settlements: impl IntoIterator<Item = Uuid>, last_sequence: u64) -> Result<Self> {
        let sale = |lot| Sale { lot, last_sequence, paid_at: None, received_at: None, completed: false };
        let sales = settlements.into_iter().enumerate().map(|(lot, id)| (id, sale(lot)));
        Self::new(HashMap::new(), sales.collect(), 0)
    }

    fn new(lots: HashMap<Uuid, usize>, sales: HashMap<Uuid, Sale>, at_once: usize) -> Result<Self> {
        let requests = [Act::Pay, Act::Ship, Act::Receive].map(|act| Ok((act.name(), Latency::new()?)));
        Ok(Self {
            lots,
            sales,
            to_pay: VecDeque::new(),
            to_ship: VecDeque::new(),
            to_receive: VecDeque::new(),
            at_once,
            under_way: 0,
            completed: 0,
            first_pay: None,
            last_event: Instant::now(),
            pay_to_escrowed: Latency::new()?,
            receive_to_completed: Latency::new()?,
            requests: requests.into_iter().collect::<Result<_>>()?,
            errors: BTreeMap::new(),
            repeated: 0,
            findings: Vec::new(),
        })
    }

    /// Settlements that have started.
    pub fn started(&self) -> usize {
        self.sales.len()
    }

    /// The next turn, if there is one; what is further on goes first.
    pub fn next(&mut self, now: Instant) -> Option<Turn> {
        if let Some(turn) = self.to_receive.pop_front().or_else(|| self.to_ship.pop_front()) {
            return Some(turn);
        }
        if self.under_way >= self.at_once {
            return None;
        }
        let turn = self.to_pay.pop_front()?;
        self.under_way += 1;
        self.first_pay.get_or_insert(now);
        Some(turn)
    }

    /// A turn is taken: its request is sent now.
    pub fn sent(&mut self, turn: Turn, now: Instant) {
        let Some(sale) = self.sales.get_mut(&turn.settlement) else { return };
        match turn.act {
            Act::Pay => sale.paid_at = Some(now),
            Act::Ship => {}
            Act::Receive => sale.received_at = Some(now),
        }
    }

    /// A request was answered as it should be.
    pub fn answered(&mut self, act: Act, sent: Instant, now: Instant) {
        self.requests.entry(act.name()).and_modify(|latency| latency.record(now - sent));
    }

    /// Something went wrong.
    pub fn fault(&mut self, kind: &str) {
        *self.errors.entry(kind.to_owned()).or_default() += 1;
    }

    /// An event came.
    pub fn hear(&mut self, told: &Told<'_>, now: Instant) -> Result<()> {
        self.last_event = now;
        if told.what == "started" {
            let Started { auction_id } = serde_json::from_slice(told.data)?;
            let Some(&lot) = self.lots.get(&auction_id) else { return Ok(()) };
            let sale = Sale { lot, last_sequence: 0, paid_at: None, received_at: None, completed: false };
            self.sales.entry(told.settlement).or_insert(sale);
        }
        let Some(sale) = self.sales.get_mut(&told.settlement) else { return Ok(()) };
        if told.sequence <= sale.last_sequence {
            self.repeated += 1;
            return Ok(());
        }
        if told.sequence != sale.last_sequence + 1 {
            let (id, last, now) = (told.settlement, sale.last_sequence, told.sequence);
            self.findings.push(format!("the events of settlement {id} go from {last} to {now}"));
        }
        sale.last_sequence = told.sequence;
        let turn = |act| Turn { act, settlement: told.settlement, lot: sale.lot };
        match told.what {
            "started" => self.to_pay.push_back(turn(Act::Pay)),
            "escrowed" => {
                self.to_ship.push_back(turn(Act::Ship));
                sale.paid_at.into_iter().for_each(|paid| self.pay_to_escrowed.record(now - paid));
            }
            "shipped" => self.to_receive.push_back(turn(Act::Receive)),
            "completed" if !sale.completed => {
                sale.completed = true;
                self.completed += 1;
                self.under_way = self.under_way.saturating_sub(1);
                sale.received_at.into_iter().for_each(|received| self.receive_to_completed.record(now - received));
            }
            other => self.findings.push(format!("settlement {} is told to be {other}", told.settlement)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUCTION: Uuid = Uuid::from_u128(1);

    fn told(what: &str, settlement: u128, sequence: u64) -> Told<'_> {
        let data = br#"{"auction_id":"00000000-0000-0000-0000-000000000001"}"#;
        Told { what, settlement: Uuid::from_u128(settlement), sequence, data }
    }

    fn floor(at_once: usize) -> Floor {
        Floor::of_lots([(AUCTION, 7)].into(), at_once).unwrap()
    }

    fn act(floor: &mut Floor) -> Option<Act> {
        floor.next(Instant::now()).map(|turn| turn.act)
    }

    #[test]
    fn a_sale_goes_from_hand_to_hand_by_its_events() {
        let mut floor = floor(1);
        let now = Instant::now();
        for (what, sequence, turn) in
            [("started", 1, Some(Act::Pay)), ("escrowed", 2, Some(Act::Ship)), ("shipped", 3, Some(Act::Receive))]
        {
            floor.hear(&told(what, 9, sequence), now).unwrap();
            assert_eq!(act(&mut floor), turn);
        }
        floor.hear(&told("completed", 9, 4), now).unwrap();
        assert_eq!((floor.completed, act(&mut floor)), (1, None));
        assert!(floor.findings.is_empty());
    }

    #[test]
    fn no_more_is_paid_than_may_be_under_way_and_what_is_further_on_goes_first() {
        let mut floor = Floor::of_lots([(AUCTION, 0), (Uuid::from_u128(2), 1)].into(), 1).unwrap();
        let now = Instant::now();
        floor.hear(&told("started", 8, 1), now).unwrap();
        floor.hear(&told("started", 9, 1), now).unwrap();
        assert_eq!((act(&mut floor), act(&mut floor)), (Some(Act::Pay), None));
        floor.hear(&told("escrowed", 8, 2), now).unwrap();
        assert_eq!(act(&mut floor), Some(Act::Ship));
        floor.hear(&told("shipped", 8, 3), now).unwrap();
        floor.hear(&told("completed", 8, 4), now).unwrap();
        assert_eq!((act(&mut floor), act(&mut floor)), (Some(Act::Receive), Some(Act::Pay)));
    }

    #[test]
    fn an_event_may_come_again_but_none_may_be_missing() {
        let mut floor = floor(1);
        let now = Instant::now();
        for sequence in [1, 1] {
            floor.hear(&told("started", 9, sequence), now).unwrap();
        }
        assert_eq!((floor.repeated, floor.findings.len(), floor.started()), (1, 0, 1));
        floor.hear(&told("shipped", 9, 3), now).unwrap();
        assert!(floor.findings[0].contains("go from 1 to 3"), "{:?}", floor.findings);
    }

    #[test]
    fn what_nobody_asked_for_is_found() {
        let mut floor = floor(1);
        floor.hear(&told("started", 9, 1), Instant::now()).unwrap();
        floor.hear(&told("failed", 9, 2), Instant::now()).unwrap();
        assert!(floor.findings[0].contains("told to be failed"));
    }

    #[test]
    fn settlements_of_others_are_nobodys_turn() {
        let mut floor = Floor::of_lots(HashMap::new(), 1).unwrap();
        floor.hear(&told("started", 9, 1), Instant::now()).unwrap();
        assert_eq!((floor.started(), act(&mut floor)), (0, None));
    }
}
