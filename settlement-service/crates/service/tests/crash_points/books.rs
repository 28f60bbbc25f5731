//! Where a settlement has got to in the end, by everything that knows of it: the service, its ledger, the gateway, the
//! broker. They have to agree, and a history that was cut has to look like one that was not.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::broker::Told;
use crate::database::Line;
use crate::party::Party;
use crate::world::World;

/// All of it, without what differs from one settlement to another: ids and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    status: String,
    sequence: i64,
    attempts: Value,
    strikes: [i64; 2],
    payouts: Vec<Value>,
    ledger: Vec<Line>,
    /// Kind, amount and state of what the gateway keeps.
    gateway: Vec<(String, i64, String)>,
    events: Vec<(String, Value)>,
}

impl Picture {
    /// Takes it, of a settlement that is over.
    pub async fn of(world: &World, party: &Party, told: &BTreeMap<String, Vec<Told>>) -> Result<Self> {
        let database = &world.database;
        let (status, sequence, attempts) = database.settlement(party).await?;
        ensure!(status == party.story.end(), "it is {status}");
        let ledger = database.lines(party).await?;
        let gateway = kept(world, party);
        ensure!(
            moved_by_the_ledger(&ledger) == moved_at(&gateway),
            "the ledger and the gateway differ: {ledger:?} {gateway:?}"
        );
        calls_are_counted(world, party).await?;
        let told = told.get(&party.settlement().to_string()).map(Vec::as_slice).unwrap_or_default();
        let events = once_each(told).context("at the broker")?;
        ensure!(
            i64::try_from(events.len())? == sequence,
            "{sequence} events were recorded, at the broker are {told:?}"
        );
        let (strikes, payouts) = (database.strikes(party).await?, database.payouts(party).await?);
        Ok(Self {
            status,
            sequence,
            attempts,
            strikes,
            payouts,
            ledger,
            gateway,
            events: events.iter().map(bare).collect(),
        })
    }
}

/// What the gateway keeps about the two.
fn kept(world: &World, party: &Party) -> Vec<(String, i64, String)> {
    let fake = &world.gateway.fake;
    let group = party.settlement().to_string();
    let mut intents = fake.objects("payment_intent");
    intents.retain(|intent| intent["transfer_group"] == *group);
    let mut refunds = fake.objects("refund");
    refunds.retain(|refund| intents.iter().any(|intent| intent["id"] == refund["payment_intent"]));
    let mut transfers = fake.objects("transfer");
    transfers.retain(|transfer| transfer["destination"] == *party.account);
    let fact = |object: Value| {
        let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        (text("object"), object["amount"].as_i64().unwrap_or_default(), text("status"))
    };
    intents.into_iter().chain(refunds).chain(transfers).map(fact).collect()
}

/// What came to the gateway and left it, in the ledger's view, smallest first.
fn moved_by_the_ledger(lines: &[Line]) -> Vec<i64> {
    let clearing = lines.iter().filter(|line| line.account == "gateway_clearing");
    sorted(clearing.map(|line| line.debit - line.credit))
}

/// The same in the gateway's.
fn moved_at(gateway: &[(String, i64, String)]) -> Vec<i64> {
    sorted(gateway.iter().filter_map(|(kind, amount, status)| match (kind.as_str(), status.as_str()) {
        ("payment_intent", "succeeded") => Some(*amount),
        ("refund" | "transfer", _) => Some(-amount),
        _ => None,
    }))
}

fn sorted(amounts: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut amounts: Vec<_> = amounts.collect();
    amounts.sort_unstable();
    amounts
}

/// The gateway heard of no call that was not planned, and of none more often than was counted before.
async fn calls_are_counted(world: &World, party: &Party) -> Result<()> {
    let counted = world.database.calls(party).await?;
    let mut heard = BTreeMap::<String, u64>::new();
    for request in world.gateway.fake.log() {
        let key = request.headers.get("idempotency-key").filter(|_| request.method == "POST");
        if let Some(key) = key.filter(|key| is_of(party, key, &request.encoded)) {
            *heard.entry(key.clone()).or_default() += 1;
        }
    }
    let is_known = counted.keys().eq(heard.keys());
    ensure!(is_known, "calls that were planned: {counted:?}, that the gateway heard: {heard:?}");
    let is_counted = counted.values().zip(heard.values()).all(|(counted, heard)| heard <= counted);
    ensure!(is_counted, "the gateway heard of calls {heard:?} times, counted are {counted:?}");
    Ok(())
}

/// A payout's key does not name the settlement; the seller's account is in the request.
fn is_of(party: &Party, key: &str, parameters: &str) -> bool {
    key.starts_with(&party.settlement().to_string()) || parameters.contains(&party.account)
}

/// The events of one key without their repetitions, which have to be the same to the letter.
pub fn once_each(told: &[Told]) -> Result<Vec<Told>> {
    let mut events: Vec<Told> = Vec::new();
    for one in told {
        let place = usize::try_from(one.sequence)?.checked_sub(1).context("a sequence begins with 1")?;
        if let Some(first) = events.get(place) {
            ensure!(first == one, "{} was told as {first:?} and as {one:?}", one.sequence);
            continue;
        }
        let known = events.len();
        ensure!(place == known, "after {known} events the sequence {} comes: {told:?}", one.sequence);
        events.push(one.clone());
    }
    Ok(events)
}

fn bare(event: &Told) -> (String, Value) {
    let mut data = event.data.clone();
    if let Some(members) = data.as_object_mut() {
        members.retain(|name, _| !name.ends_with("_id") && !name.ends_with("_at"));
    }
    (event.event_type.clone(), data)
}

/// What belongs to everybody: all transactions balance, every event has its place, and at the gateway is nothing that
/// is nobody's.
pub async fn agree(world: &World, parties: &[Arc<Party>], told: &BTreeMap<String, Vec<Told>>) -> Result<()> {
    let unbalanced = world.database.unbalanced().await?;
    ensure!(unbalanced.is_empty(), "the ledger does not balance: {unbalanced:?}");
    for (key, told) in told {
        once_each(told).with_context(|| format!("at the broker, of {key}"))?;
    }
    let known: usize = parties.iter().filter(|party| party.is_known()).map(|party| kept(world, party).len()).sum();
    let fake = &world.gateway.fake;
    let all: usize = ["payment_intent", "refund", "transfer"].into_iter().map(|kind| fake.count(kind)).sum();
    ensure!(all == known, "the gateway keeps {all} payments, refunds and transfers, {known} of them are somebody's");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn told(id: u128, sequence: u64) -> Told {
        Told { id: Uuid::from_u128(id), sequence, event_type: "shipped".to_owned(), data: json!({}) }
    }

    #[test]
    fn an_event_may_be_repeated_to_the_letter_and_in_no_other_way() {
        let (first, second) = (told(1, 1), told(2, 2));
        let repeated = [first.clone(), second.clone(), first.clone(), second.clone()];
        assert_eq!(once_each(&repeated).unwrap(), [first.clone(), second]);
        assert!(once_each(&[first.clone(), told(9, 1)]).is_err(), "another event has its place");
        assert!(once_each(&[first, told(3, 3)]).is_err(), "one is missing");
    }
}
