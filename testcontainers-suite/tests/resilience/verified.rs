//! `outcry verify` proves the result of an auction of each format, and names a planted change of one stored bid.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use sqlx::{Connection, PgConnection};
use testcontainers_suite::{
    story::{Lot, Terms},
    target::{Local, program},
    world::World,
};

use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("verified::each_format_is_proved_and_a_planted_change_of_one_bid_is_named".to_owned(), proved_and_named),
        trial("verified::an_auction_that_is_not_over_or_not_there_is_told_as_such".to_owned(), told),
    ]
}

/// Long enough for three bids after one another.
const LASTS: Duration = Duration::from_secs(8);

/// Exit code and output of `outcry verify`.
fn verify(data_dir: &Path, auction: &str) -> Result<(Option<i32>, String)> {
    let output = Command::new(program()?).arg("verify").arg(auction).arg("--data-dir").arg(data_dir).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

async fn proved_and_named(local: &mut Local, world: &World) -> Result<()> {
    let formats = [
        Terms::from(500),
        Terms::sealed_first_price(500),
        Terms::vickrey(500),
        Terms::dutch(900_000, 100_000, 100_000, 1),
        Terms::units(500, 5),
    ];
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let mut lots = Vec::new();
    for terms in formats {
        let lot = anna.opens(&terms.lasting(LASTS)).await?;
        bert.bids(&lot, 1_000_000).await?;
        // The first bid takes a Dutch lot.
        let _ = carla.tries_to_bid(&lot, 1_200_000).await?;
        lots.push(lot);
    }
    let url = world.endpoints.postgres.get("bidding").context("bidding's database is not known")?;
    let mut database = PgConnection::connect(url).await?;
    for lot in &lots {
        anna.awaits_auction(lot, "closed").await?;
        let (code, said) = verify(&local.data_dir(), &lot.id)?;
        ensure!(code == Some(0) && said.contains("result    proved"), "{said}");

        let (number, record) = first_bid(&mut database, lot).await?;
        let planted = record.replacen("1000000", "1000001", 1);
        ensure!(planted != record, "nothing to change in {record}");
        write(&mut database, lot, number, &planted).await?;
        let (code, said) = verify(&local.data_dir(), &lot.id)?;
        let named = said.contains("NOT PROVED") && said.contains(&format!(" entry {number}: "));
        ensure!(code == Some(1) && named, "{said}");

        write(&mut database, lot, number, &record).await?;
        let (code, said) = verify(&local.data_dir(), &lot.id)?;
        ensure!(code == Some(0), "put back it is as it was: {said}");
    }
    database.close().await?;
    Ok(())
}

async fn first_bid(database: &mut PgConnection, lot: &Lot) -> Result<(i64, String)> {
    let bid = sqlx::query_as(
        "SELECT number, record::text FROM decision WHERE auction_id = $1::uuid AND bid_id IS NOT NULL
         ORDER BY number LIMIT 1",
    );
    bid.bind(&lot.id).fetch_one(database).await.context("the auction has a bid")
}

async fn write(database: &mut PgConnection, lot: &Lot, number: i64, record: &str) -> Result<()> {
    let change = sqlx::query("UPDATE decision SET record = $3::json WHERE auction_id = $1::uuid AND number = $2");
    let changed = change.bind(&lot.id).bind(number).bind(record).execute(database).await?;
    ensure!(changed.rows_affected() == 1, "one entry of the log");
    Ok(())
}

async fn told(local: &mut Local, world: &World) -> Result<()> {
    let lot = world.seller("anna").opens(&Terms::from(500).lasting(Duration::from_secs(600))).await?;
    let (code, said) = verify(&local.data_dir(), &lot.id)?;
    ensure!(code.is_some_and(|code| code != 0) && said.contains("not over"), "{code:?}: {said}");
    let (code, said) = verify(&local.data_dir(), "01a206e1-0000-7000-8000-000000000000")?;
    ensure!(code.is_some_and(|code| code != 0) && said.contains("no such"), "{code:?}: {said}");
    Ok(())
}
