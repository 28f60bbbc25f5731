//! What sellers and operators read of the ledger, and how an entry is put right.

use chrono::TimeDelta;
use futures::executor::block_on;
use settlement_application::UseError;
use settlement_domain::ledger::{AccountKind, EntryKind};
use settlement_harness::Scene;
use settlement_ports::{StatementQuery, Viewer};

fn viewer(who: &str, admin: bool) -> Viewer {
    Viewer { user: who.parse().unwrap(), admin }
}

fn of(seller: &str) -> StatementQuery {
    StatementQuery { seller: seller.parse().unwrap(), currency: "USD".parse().unwrap(), at: None, before: None }
}

fn completed() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_receives();
    scene.time_passes(TimeDelta::seconds(1));
    scene.worker_works();
    scene
}

#[test]
fn a_statement_is_its_sellers_and_an_admins_to_read() {
    let scene = completed();
    let read = |who, admin| block_on(scene.books.statement(&viewer(who, admin), &of("seller"), 20));
    let page = read("seller", false).unwrap();
    let lines: Vec<_> = page.lines.iter().map(|line| (line.kind, line.balance)).collect();
    assert_eq!(lines, [(EntryKind::PaidOut, 0), (EntryKind::Released, 10_845)]);
    assert_eq!(read("root", true).unwrap(), page);
    assert_eq!(read("buyer", false), Err(UseError::Forbidden("an admin")));
}

#[test]
fn a_page_of_a_statement_tells_where_the_next_one_goes_on() {
    let scene = completed();
    let read = |query: &StatementQuery| block_on(scene.books.statement(&viewer("seller", false), query, 1)).unwrap();
    let first = read(&of("seller"));
    let second = read(&StatementQuery { before: first.next.clone(), ..of("seller") });
    assert_eq!((first.lines[0].kind, second.lines[0].kind), (EntryKind::PaidOut, EntryKind::Released));
    assert!(first.next.is_some() && second.next.is_none());
}

#[test]
fn an_entry_is_reversed_once_however_often_the_operator_says_so() {
    let scene = completed();
    let reference = format!("{}:released", scene.id());
    for _ in 0..2 {
        let reversal = block_on(scene.books.reverse(&reference, "it was another lot")).unwrap();
        assert_eq!(reversal.reference(), format!("{reference}:reversed"));
    }
    assert_eq!(scene.balance(AccountKind::PlatformRevenue), 0);
    assert_eq!(scene.balance(AccountKind::SellerPayable), 10_845, "the payout stands");
    let again = block_on(scene.books.reverse(&format!("{reference}:reversed"), "it was that lot")).unwrap();
    assert_eq!(again.reversal().unwrap().reason, "it was that lot");
    scene.books_agree_at_the_end();
}

#[test]
fn an_entry_that_was_never_posted_is_not_reversed() {
    let scene = completed();
    let refused = block_on(scene.books.reverse(&format!("{}:refunded", scene.id()), "why not"));
    assert_eq!(refused.unwrap_err(), UseError::NoEntry);
}
