//! The parameters of a request, form-encoded as Stripe takes them.

use settlement_domain::{Instruction, Money};
use url::form_urlencoded::Serializer;

use super::amount;
use super::client::Failure;

/// Parameters under construction.
#[derive(Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn metadata(self, name: &str, value: &str) -> Self {
        self.add(&format!("metadata[{name}]"), value)
    }

    /// An amount in Stripe's units; one that has none there is refused before anybody hears of it.
    pub fn amount(self, name: &str, money: Money) -> Result<Self, Failure> {
        let amount = amount::to_stripe(money).map_err(Failure::Refused)?;
        Ok(self.add(name, &amount.to_string()))
    }

    /// `amount` and `currency`.
    pub fn money(self, money: Money) -> Result<Self, Failure> {
        Ok(self.amount("amount", money)?.add("currency", &money.currency().code().to_ascii_lowercase()))
    }

    pub fn encoded(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// An instruction in words that stay the same for ever: metadata tells by them what a key was used for.
pub(super) fn terms(instruction: &Instruction) -> String {
    let money = |money: &Money| format!("{} {}", money.amount(), money.currency());
    match instruction {
        Instruction::Authorize { amount, method } => format!("authorize {} on {}", money(amount), method.as_str()),
        Instruction::Capture { hold, amount } => format!("capture {} of {hold}", money(amount)),
        Instruction::Void { hold } => format!("void {hold}"),
        Instruction::Refund { charge, amount } => format!("refund {} of {charge}", money(amount)),
        Instruction::PayOut { seller, amount } => format!("pay {} to {seller}", money(amount)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_escaped() {
        let form = Form::default().add("a&b", "c d=é").metadata("k", "1:2");
        assert_eq!(form.encoded(), "a%26b=c+d%3D%C3%A9&metadata%5Bk%5D=1%3A2");
    }
}
