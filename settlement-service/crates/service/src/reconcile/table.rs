//! A report for people: both sides beside each other, then a line a difference.

use std::fmt::Write;

use settlement_application::{Amount, Report, Sum};
use settlement_domain::Currency;

/// The report as text.
pub fn of(report: &Report) -> String {
    let mut text = format!("The ledger and the gateway's list from {} to {}\n\n", report.since, report.until);
    row(&mut text, "", ["ledger", "amount", "gateway", "amount"].map(str::to_owned));
    for line in &report.sums {
        let [ledger, gateway] = [line.ledger, line.gateway].map(|sum| told(sum, line.currency));
        let [(ledger_count, ledger), (gateway_count, gateway)] = [ledger, gateway];
        row(&mut text, &format!("{}s", line.kind), [ledger_count, ledger, gateway_count, gateway]);
    }
    text.push('\n');
    for clearing in &report.clearing {
        let [account, lines] =
            [clearing.account, clearing.lines].map(|amount| Amount { amount, currency: clearing.currency });
        let _written = writeln!(text, "gateway_clearing came to {account}, its lines to {lines}");
    }
    let Report { pending, reversed, made_good, .. } = report;
    let _written = writeln!(text, "{pending} pending, {reversed} reversed, {made_good} made good at the gateway");
    let named = report.differences.len() as u64;
    for difference in &report.differences {
        let _written = writeln!(text, "! {difference}");
    }
    let _written = match report.difference_count {
        0 => writeln!(text, "Both agree."),
        count if count == named => writeln!(text, "{count} difference(s)."),
        count => writeln!(text, "{count} difference(s); the first {named} are named."),
    };
    text
}

fn row(text: &mut String, name: &str, [ledger_count, ledger, gateway_count, gateway]: [String; 4]) {
    let _written = writeln!(text, "{name:<10}{ledger_count:>9}{ledger:>20}{gateway_count:>11}{gateway:>20}");
}

fn told(sum: Sum, currency: Currency) -> (String, String) {
    (sum.count.to_string(), Amount { amount: sum.amount, currency }.to_string())
}

#[cfg(test)]
mod tests {
    use settlement_application::{Clearing, Line};
    use settlement_domain::MovementKind;

    use super::*;

    fn report() -> Report {
        let currency = "USD".parse().unwrap();
        let sum = |count, amount| Sum { count, amount };
        let (ledger, gateway) = (sum(2, 24_100), sum(3, 36_150));
        Report {
            since: "2030-01-01T00:00:00Z".parse().unwrap(),
            until: "2030-01-09T00:00:00Z".parse().unwrap(),
            sums: vec![Line { kind: MovementKind::Charge, currency, ledger, gateway }],
            clearing: vec![Clearing { currency, account: -5, lines: -5 }],
            pending: 1,
            reversed: 0,
            made_good: 0,
            difference_count: 0,
            differences: Vec::new(),
        }
    }

    #[test]
    fn both_sides_stand_beside_each_other() {
        let expected = "\
The ledger and the gateway's list from 2030-01-01 00:00:00 UTC to 2030-01-09 00:00:00 UTC

             ledger              amount    gateway              amount
charges           2          241.00 USD          3          361.50 USD

gateway_clearing came to -0.05 USD, its lines to -0.05 USD
1 pending, 0 reversed, 0 made good at the gateway
Both agree.
";
        assert_eq!(of(&report()), expected);
    }

    #[test]
    fn differences_beyond_the_named_ones_are_told() {
        let text = of(&Report { difference_count: 7, ..report() });
        assert!(text.ends_with("7 difference(s); the first 0 are named.\n"), "{text}");
    }
}
