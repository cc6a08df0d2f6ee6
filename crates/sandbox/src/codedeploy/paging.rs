//! Lists in pages. No operation of this service lets the caller choose a page's size.

use super::super::doc::{Doc, doc};
use super::super::world::Reply;
use super::errors::error;

const PAGE: usize = 100;

/// The page of `items` that `input.nextToken` asks for, as `member`. A token is the number of items before the page.
///
/// # Errors
/// The token was not made here.
pub fn page(member: &str, items: Vec<String>, input: &Doc) -> Reply {
    let from = match input.text("nextToken") {
        None | Some("") => 0,
        Some(token) => token
            .strip_prefix("after-")
            .and_then(|number| number.parse::<usize>().ok())
            .filter(|from| *from <= items.len())
            .ok_or_else(|| error("InvalidNextToken", "The next token is not valid"))?,
    };
    let next = (items.len() > from + PAGE).then(|| format!("after-{}", from + PAGE));
    let items: Vec<String> = items.into_iter().skip(from).take(PAGE).collect();
    Ok(doc! { member => items, "nextToken" => next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let items: Vec<String> = (0..201).map(|at| at.to_string()).collect();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let reply = page("items", items.clone(), &doc! { "nextToken" => token }).unwrap();
            seen.extend(reply.texts("items"));
            token = reply.text("nextToken").map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
        for bad in ["x", "after-", "after-999", "after--1"] {
            assert!(page("items", items.clone(), &doc! { "nextToken" => bad }).is_err(), "{bad}");
        }
    }
}
