//! What happens when a sale does not go as it should, played over the public API and told as it happens.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stage::{Person, Stage};
use super::{dollars, time, to_the_second};
use crate::cli::Scenario;
use crate::console::Console;
use crate::layout::DataDir;

/// Plays one, and prints the ledger at its end.
pub async fn play(scenario: Scenario, data_dir: &DataDir, console: &Console) -> Result<ExitCode> {
    let stage = Stage::open(data_dir, console).await?;
    match scenario {
        Scenario::Unpaid => unpaid(&stage).await,
        Scenario::SecondChance => second_chance(&stage).await,
        Scenario::Refund => refund(&stage).await,
        Scenario::Dispute => dispute(&stage).await,
        Scenario::Relist => relist(&stage).await,
    }?;
    stage.balance().await?;
    Ok(ExitCode::SUCCESS)
}

/// Waits out the time to pay.
async fn does_not_pay(stage: &Stage<'_>, id: &str, buyer: &Person) -> Result<()> {
    let failed = stage.misses(id, "payment_due_at", "failed", buyer).await?;
    ensure!(failed["failure_reason"] == "unpaid", "it failed otherwise: {failed}");
    stage.tells(format!("   {} has not paid: the sale is off, and that is a strike.", buyer.name()));
    Ok(())
}

async fn unpaid(stage: &Stage<'_>) -> Result<()> {
    stage.tells("\nA bidder who does not pay, twice:\n");
    let (seller, idler) = (stage.seller("seller"), stage.bidder("idler"));
    for (number, what) in ["pocket watch", "ship's clock"].into_iter().enumerate() {
        stage.tells(format!("{}. A lot is sold and not paid.", number + 1));
        let lot = stage.lists(&seller, what, false).await?;
        stage.bids(&idler, &lot, 4_000).await?;
        let sale = stage.hammer(&lot, &idler).await?;
        does_not_pay(stage, &sale, &idler).await?;
    }
    stage.tells(
        "3. Two strikes within twelve months suspend. Settlement tells it by an event; bidding refuses from then on.",
    );
    let lot = stage.lists(&seller, "sextant", false).await?;
    stage
        .waits("Bidding hears of the suspension", super::CONVERGES_WITHIN, async || {
            let answer = stage.tries_to_bid(&idler, &lot, 4_000).await?;
            ensure!(answer.problem() == Some("bidder-suspended"), "the bid was answered {}", answer.status);
            Ok(())
        })
        .await?;
    stage.tells(format!("   {} bids and is refused: bidder-suspended.", idler.name()));
    stage.tells("4. The operator lets the bidder bid again.");
    stage.reinstates(&idler).await?;
    let lot = stage.lists(&seller, "barometer", false).await?;
    stage
        .waits("Bidding hears of the reinstatement", super::CONVERGES_WITHIN, async || {
            stage.tries_to_bid(&idler, &lot, 4_000).await?.success().map(|_| ())
        })
        .await?;
    stage.tells(format!("   {} bids and leads.", idler.name()));
    Ok(())
}

async fn second_chance(stage: &Stage<'_>) -> Result<()> {
    stage.tells("\nThe winner does not pay; the next bidder gets the lot:\n");
    let (seller, idler, next) = (stage.seller("seller"), stage.bidder("idler"), stage.bidder("next"));
    stage.tells("1. A seller who wants second chances sells a lot.");
    let lot = stage.lists(&seller, "pocket watch", true).await?;
    stage.bids(&next, &lot, 4_000).await?;
    stage.bids(&idler, &lot, 6_000).await?;
    let sale = stage.hammer(&lot, &idler).await?;
    stage.tells("2. The winner lets the time to pay pass.");
    does_not_pay(stage, &sale, &idler).await?;
    stage.tells("3. Settlement asks bidding who is next. Nobody but that bidder learns for how much.");
    let offer = stage.settlement(&lot, &next).await?;
    let seen = stage.sale(&offer, &next).await?;
    ensure!(seen["amount"] == 4_000, "not at the own highest bid: {seen}");
    let until = to_the_second(time(&seen, "payment_due_at")?);
    stage.tells(format!(
        "   {} is offered the lot at the own highest bid, {}, until {until}.",
        next.name(),
        dollars(&seen["amount"])
    ));
    stage.tells("4. Paying is accepting.");
    stage.settles(&offer, &seller, &next).await
}

async fn refund(stage: &Stage<'_>) -> Result<()> {
    stage.tells("\nThe seller does not ship; the buyer has the money back:\n");
    let (seller, buyer) = (stage.seller("seller"), stage.bidder("buyer"));
    stage.tells("1. A lot is sold and paid.");
    let lot = stage.lists(&seller, "pocket watch", false).await?;
    stage.bids(&buyer, &lot, 4_000).await?;
    let sale = stage.hammer(&lot, &buyer).await?;
    stage.pays(&sale, &buyer).await?;
    stage.tells("2. The seller lets the time to ship pass.");
    let refunded = stage.misses(&sale, "ship_due_at", "refunded", &buyer).await?;
    ensure!(refunded["failure_reason"] == "not_shipped", "{refunded}");
    stage.tells(format!("   {} has the money back, and {} a strike.", buyer.name(), seller.name()));
    Ok(())
}

async fn dispute(stage: &Stage<'_>) -> Result<()> {
    stage.tells("\nThe lot is not as described; the operator divides the money:\n");
    let (seller, buyer) = (stage.seller("seller"), stage.bidder("buyer"));
    stage.tells("1. A lot is sold, paid and shipped.");
    let lot = stage.lists(&seller, "pocket watch", false).await?;
    stage.bids(&buyer, &lot, 4_000).await?;
    let sale = stage.hammer(&lot, &buyer).await?;
    stage.pays(&sale, &buyer).await?;
    stage.ships(&sale, &seller, &buyer).await?;
    stage.tells("2. The buyer complains within the inspection period, and the seller answers.");
    stage.acts(&buyer, &sale, "dispute", &json!({"reason": "The glass is cracked."})).await?;
    stage.acts(&seller, &sale, "evidence", &json!({"text": "It was whole when it left."})).await?;
    stage.becomes(&sale, "disputed", &buyer).await?;
    stage.tells("   No time runs now: a person decides.");
    stage.tells("3. The operator gives the buyer 3.00 USD back, and the seller the rest.");
    let decision = json!({"decision": "part_refund", "amount": 300, "note": "A new glass costs that much."});
    stage.resolves(&sale, &decision).await?;
    let done: Value = stage.becomes(&sale, "completed", &buyer).await?;
    ensure!(done["status"] == "completed", "{done}");
    stage.tells(format!("   {} is paid, less the part refund and the commission.", seller.name()));
    Ok(())
}

async fn relist(stage: &Stage<'_>) -> Result<()> {
    stage.tells("\nThe winner does not pay and nobody else gets a chance; the lot is listed again:\n");
    let (seller, idler, buyer) = (stage.seller("seller"), stage.bidder("idler"), stage.bidder("buyer"));
    stage.tells("1. A lot is sold and not paid.");
    let lot = stage.lists(&seller, "pocket watch", false).await?;
    stage.bids(&idler, &lot, 4_000).await?;
    let sale = stage.hammer(&lot, &idler).await?;
    does_not_pay(stage, &sale, &idler).await?;
    stage.tells("2. Settlement asks for the lot to be listed again; listing does so, on the same terms.");
    let again = stage.relisted(&lot, &seller).await.context("the lot is not listed again")?;
    stage.tells(format!("   Auction {again} takes its place."));
    stage.awaits_open(&again, &seller).await?;
    stage.tells("3. This time it is paid.");
    stage.bids(&buyer, &again, 3_000).await?;
    let sale = stage.hammer(&again, &buyer).await?;
    stage.settles(&sale, &seller, &buyer).await
}
