use super::*;

fn refused(text: &str) -> String {
    parse(text, "a.yml").expect_err(text).to_string()
}

#[test]
fn probe() {
    for text in [
        "a: 1\nb:\n  - x\n  - {k: [1, 2.5, 012, 0x1f, .nan, no, true, ~, '1', 99999999999999999999]}\nc: &x {d: e}\ne: *x\n",
    ] {
        eprintln!("{:#?}", parse(text, "a.yml"));
    }
    for text in [
        "",
        "# only\n",
        "a: 1\na: 2\n",
        "a: b: c\n",
        "a: [1, 2\nb: 3\n",
        "a: \"x\nb: 3\n",
        "\ta: 1\n",
        "a:\n\t- b\n",
        "a: 1\n---\nb: 2\n",
        "<<: {a: 1}\n",
        "a: *x\n",
        "a: !foo b\n",
        "a: @b\n",
        "a: %b\n",
        "a: 1\n b: 2\n",
        "- a\nb: c\n",
        "[a]: b\n",
        "? {a: b}\n: c\n",
        "a: 'x\n",
        "}\n",
        "a: }\n",
        "a: &x [*x]\n",
        "a: 1e999\n",
        "a: !!int x\n",
        "a: !!binary x\n",
        "a: |\n x\ny\n",
        "%YAML 9.9\n---\na: 1\n",
        "a: {b: 1, b: 2}",
        "a: x\u{1b}y",
        " a: 1\nb: 2\n",
        "a: \"\\q\"\n",
        "'a'",
        "a: 0x\n",
    ] {
        eprintln!(
            "{text:?}\n{}\n",
            match parse(text, "a.yml") {
                Ok(n) => format!("{n:?}"),
                Err(p) => p.to_string(),
            }
        );
    }
    let _ = refused;
}
