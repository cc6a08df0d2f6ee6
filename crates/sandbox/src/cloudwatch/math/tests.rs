//! The language, over series written as lists: `-` is a datapoint that is missing.

use super::*;

fn curve(label: &str, text: &str) -> Curve {
    let points = text.split_whitespace().zip(0..).filter(|(value, _)| *value != "-");
    Curve { label: label.to_owned(), points: points.map(|(value, at)| (at * 60, value.parse().unwrap())).collect() }
}

fn shown(curve: &Curve, grid: &[i64]) -> String {
    let value = |at: &i64| curve.points.get(at).map_or("-".to_owned(), |value| format!("{value}"));
    grid.iter().map(value).collect::<Vec<_>>().join(" ")
}

/// `a` to `e` are metrics of five minutes; `x` is an expression's array, `n` a number's.
fn said(math: &str) -> String {
    let metrics =
        [("a", "30 20 0 0 5"), ("b", "20 - 20 - -"), ("c", "1 1 0 0 -"), ("d", "30 - 0 0 30"), ("e", "0 0 20 - 20")];
    let metrics: Vec<(Curve, i64)> = metrics.iter().map(|(id, text)| (curve(id, text), 60)).collect();
    let mut values: BTreeMap<String, Value> =
        metrics.iter().map(|(curve, _)| (curve.label.clone(), Value::Series(curve.clone()))).collect();
    values.insert("x".to_owned(), Value::Several(vec![curve("a", "1 2 - - -"), curve("b", "3 - 5 - -")]));
    let grid: Vec<i64> = (0..5).map(|at| at * 60).collect();
    let context = Context { values: &values, metrics: &metrics, grid: &grid };
    match Node::parse(math).and_then(|node| context.solve(&node)) {
        Ok(Value::Number(number)) => format!("number {number}"),
        Ok(Value::Series(curve)) => shown(&curve, &grid),
        Ok(Value::Several(curves)) => {
            let one = |curve: &Curve| format!("{}: {}", curve.label, shown(curve, &grid));
            curves.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Err(why) => format!("error: {why}"),
    }
}

#[test]
fn what_expressions_give() {
    for (math, expected) in [
        // Numbers, and how closely operators bind.
        ("1 + 2 * 3 ^ 2", "number 19"),
        ("2 ^ 3 ^ 2", "number 512"),
        ("-2 ^ 2", "number -4"),
        ("2 ^ -1", "number 0.5"),
        ("10 - 4 - 3", "number 3"),
        ("(1 + 2) * 3", "number 9"),
        ("1 < 2 AND 2 >= 3 OR 1 == 1", "number 1"),
        ("1 != 1 || 0 && 1", "number 0"),
        ("1.5e2 / 1e-1", "number 1500"),
        // What is missing counts as 0 beside what is there; a division by 0 is dropped.
        ("a + b", "50 20 20 0 5"),
        ("100 * b / a", "66.66666666666667 0 - - 0"),
        ("a / b", "1.5 - 0 - -"),
        ("b - 1", "19 - 19 - -"),
        ("-b", "-20 - -20 - -"),
        // The user's guide's own table.
        ("a < b", "0 0 1 0 0"),
        ("a >= 30", "1 0 0 0 0"),
        ("a > 15 AND b > 15", "1 0 0 0 0"),
        ("IF(c, d, e)", "30 0 20 - -"),
        ("IF(c, 5, e)", "5 5 20 - -"),
        ("IF(c, d, 5)", "30 0 5 5 -"),
        ("IF(c, d)", "30 0 - - -"),
        ("IF(a < 20, a)", "- - 0 0 5"),
        ("IF(1, d, e)", "30 - 0 0 30"),
        ("IF(0, d)", "- - - - -"),
        // Arrays.
        ("[a, b]", "a: 30 20 0 0 5, b: 20 - 20 - -"),
        ("[a, x] * 2", "a: 60 40 0 0 10, a: 2 4 - - -, b: 6 - 10 - -"),
        ("x / a", "a: 0.03333333333333333 0.1 - - 0, b: 0.1 0 - - 0"),
        ("SUM([a, b])", "50 20 20 0 5"),
        ("AVG([a, b])", "25 10 10 0 2.5"),
        ("MIN([a, b])", "20 20 0 0 5"),
        ("MAX(x)", "3 2 5 - -"),
        ("SUM(METRICS(\"a\"))", "30 20 0 0 5"),
        ("MAX(METRICS())", "30 20 20 0 30"),
        // One series to a number.
        ("SUM(a)", "number 55"),
        ("AVG(b)", "number 20"),
        ("a - AVG(a)", "19 9 -11 -11 -6"),
        ("MAX(a) - MIN(a)", "number 30"),
        ("PERIOD(a) / 60", "number 1"),
        // Each value.
        ("ABS(b - a)", "10 20 20 0 5"),
        ("CEIL(a / 7)", "5 3 0 0 1"),
        ("FLOOR(a / 7)", "4 2 0 0 0"),
        ("LOG10(c)", "0 0 - - -"),
        ("DIFF(a)", "- -10 -20 0 5"),
        ("RATE(b)", "- - 0 - -"),
        // Gaps.
        ("FILL(b, 7)", "20 7 20 7 7"),
        ("FILL(b, a)", "20 20 20 0 5"),
        ("FILL(b, REPEAT)", "20 20 20 20 20"),
        ("FILL(e - 20 * (e == 20), LINEAR)", "0 0 0 0 0"),
        ("FILL(d, LINEAR)", "30 15 0 0 30"),
        ("TIME_SERIES(3)", "3 3 3 3 3"),
    ] {
        assert_eq!(said(math), expected, "{math}");
    }
}

#[test]
fn what_is_no_expression() {
    for (math, expected) in [
        ("", "it must have between 1 and 2048 characters"),
        ("a +", "it ends too early"),
        ("a b", "`b` is not expected there"),
        ("(a", "it ends too early"),
        ("[a b]", "`b]` is not expected there"),
        ("a / gone", "`gone` is no id of this call"),
        ("REPEAT", "`REPEAT` is not expected there"),
        ("1.2.3", "`1.2.3` is no number"),
        ("1e999", "`1e999` is no number"),
        ("\"a\"", "text stands in functions only"),
        ("\"a", "a quotation mark is missing"),
        ("[1, a]", "an array has series, not numbers"),
        ("x * x", "two arrays cannot be put together"),
        ("SUM(1)", "SUM takes series, not a number"),
        ("FILL(a)", "FILL is not called like that"),
        ("FILL(a, x)", "FILL fills with a number, a series, REPEAT or LINEAR"),
        ("IF(x, a)", "IF takes series and numbers, not arrays"),
        ("PERIOD(n)", "`n` is no metric"),
        ("a § b", "`§ b` is not expected there"),
    ] {
        assert_eq!(said(math), format!("error: {expected}"), "{math}");
    }
    assert!(said("sum(a)").starts_with("error: the function sum is not known here; known are ABS, AVG, "));
    let deep = format!("{}a{}", "(".repeat(41), ")".repeat(41));
    for math in [deep, "-".repeat(1000) + "a", "2^".repeat(1000) + "a", "ABS(".repeat(500) + "a"] {
        assert!(said(&math).contains("nested more than 40 levels"), "{math}");
    }
    assert!(said(&"a+".repeat(1025)).contains("2048 characters"));
    assert_eq!(said(&("0+".repeat(399) + "a")), "30 20 0 0 5");
    assert_eq!(said(&("0+".repeat(400) + "a")), "error: it has more than 400 parts");
}
