//! What operations ask of their inputs: members that must be there, numbers, pages.

use super::doc::Doc;
use super::world::ApiError;

/// The error with which the query services answer most wrong inputs.
pub fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

/// The text of a member that must be there and not be empty.
///
/// # Errors
/// `ValidationError` that names the member as the services do, beginning in lower case.
pub fn required<'a>(input: &'a Doc, name: &str) -> Result<&'a str, ApiError> {
    match input.text(name) {
        Some("") => Err(constraint(name, "''", "Member must have length greater than or equal to 1")),
        Some(text) => Ok(text),
        None => Err(constraint(name, "null", "Member must not be null")),
    }
}

/// The whole number of a member.
///
/// # Errors
/// `ValidationError` if the member is there and is no whole number.
pub fn whole(input: &Doc, name: &str) -> Result<Option<i64>, ApiError> {
    match (input.get(name), input.int(name)) {
        (Doc::Null, _) => Ok(None),
        (_, Some(number)) => Ok(Some(number)),
        (_, None) => Err(invalid(format!("{name} must be a whole number"))),
    }
}

/// The whole number of a member that lies in a range.
///
/// # Errors
/// `ValidationError` if the member is there and is no whole number of the range.
pub fn within(input: &Doc, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
    match whole(input, name)? {
        Some(number) if number < low => {
            let rule = format!("Member must have value greater than or equal to {low}");
            Err(constraint(name, &format!("'{number}'"), &rule))
        }
        Some(number) if number > high => {
            let rule = format!("Member must have value less than or equal to {high}");
            Err(constraint(name, &format!("'{number}'"), &rule))
        }
        number => Ok(number),
    }
}

/// A rule of the service's model that a value breaks.
pub fn constraint(name: &str, value: &str, rule: &str) -> ApiError {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let name: String = first.into_iter().chain(letters).collect();
    invalid(format!("1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: {rule}"))
}

/// One page of a list and the token of the next.
///
/// # Errors
/// `InvalidNextToken` if the token was not given out here.
pub fn page<T>(items: Vec<T>, token: Option<&str>, size: usize) -> Result<(Vec<T>, Option<String>), ApiError> {
    let wrong = || ApiError::new("InvalidNextToken", "The token is not valid.");
    let start = match token {
        None | Some("") => 0,
        Some(token) => usize::from_str_radix(token, 16).map_err(|_| wrong())?,
    };
    if start > items.len() {
        return Err(wrong());
    }
    let end = start.saturating_add(size.max(1));
    let next = (end < items.len()).then(|| format!("{end:012x}"));
    Ok((items.into_iter().skip(start).take(size.max(1)).collect(), next))
}

/// The size of a page that a member asks for: between 1 and `most`, `usual` if it is absent.
///
/// # Errors
/// `ValidationError` if the number is out of range.
pub fn page_size(input: &Doc, name: &str, usual: usize, most: i64) -> Result<usize, ApiError> {
    Ok(within(input, name, 1, most)?.and_then(|size| usize::try_from(size).ok()).unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::doc;

    #[test]
    fn members_are_checked_with_the_services_words() {
        let input = doc! { "Name" => "", "Size" => "12", "Count" => "x" };
        let message = |error: ApiError| error.message;
        assert!(required(&input, "Name").map_err(message).unwrap_err().contains("Value '' at 'name'"));
        assert!(required(&input, "Other").map_err(message).unwrap_err().ends_with("Member must not be null"));
        assert_eq!(whole(&input, "Size"), Ok(Some(12)));
        assert!(whole(&input, "Count").is_err());
        assert!(within(&input, "Size", 1, 10).map_err(message).unwrap_err().contains("less than or equal to 10"));
    }

    #[test]
    fn pages_follow_each_other() {
        let (first, token) = page(vec![1, 2, 3], None, 2).unwrap();
        assert_eq!(first, [1, 2]);
        let (second, end) = page(vec![1, 2, 3], token.as_deref(), 2).unwrap();
        assert_eq!((second, end), (vec![3], None));
        assert!(page(vec![1], Some("zz"), 2).is_err());
        assert!(page(vec![1], Some("5"), 2).is_err());
    }
}
