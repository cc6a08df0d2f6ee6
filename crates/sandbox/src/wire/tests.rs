//! Texts in and out of each codec; none of them panics on anything, and what is written reads back.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{cbor, json, percent, query, xml};
use crate::doc::{Doc, doc};

const DIALECT: query::Dialect = query::Dialect { version: "2015-12-01", namespace: "http://example.com/", ec2: false };

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn json_writes_what_the_services_write() {
    let doc = doc! {
        "createTime" => at("2015-10-30T19:17:19.487Z"),
        "whole" => at("2026-01-01T00:00:00Z"),
        "left" => Doc::Null,
        "none" => Vec::<String>::new(),
        "n" => 3, "f" => 0.5, "t" => true,
        "text" => "a\"\n\u{1}é",
    };
    let expected = r#"{"createTime":1446232639.487,"whole":1767225600.000,"none":[],"n":3,"f":0.5,"t":true,"text":"a\"\n\u0001é"}"#;
    assert_eq!(json::encode(&doc), expected);
    assert_eq!(json::encode(&Doc::Null), "");
    assert_eq!(json::error("A", "b"), r#"{"__type":"A","message":"b"}"#);
}

#[test]
fn json_reads_objects_only() {
    assert_eq!(json::decode(b"").unwrap(), doc! {});
    let doc = json::decode(br#"{"a":[1,2.5,null],"b":{"c":"d"}}"#).unwrap();
    assert_eq!(doc, doc! { "a" => vec![Doc::Int(1), Doc::Float(2.5), Doc::Null], "b" => doc!{ "c" => "d" } });
    for bad in
        ["[]", "1", "{", "{\"a\":1}x", &"[".repeat(100_000), &format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60))]
    {
        assert!(json::decode(bad.as_bytes()).is_err(), "{bad:.40}");
    }
}

#[test]
fn cbor_reads_what_the_sdk_sends() {
    // {_ "AlarmNames": [_ "x"]}
    let sent = b"\xbf\x6aAlarmNames\x9f\x61x\xff\xff";
    assert_eq!(cbor::decode(sent).unwrap(), doc! { "AlarmNames" => vec!["x"] });
    // {"a": 1(1700000000), "b": 1(1.5), "c": half 1.5, "d": -2, "e": chunked text}
    let sent = b"\xa5\x61a\xc1\x1a\x65\x53\xf1\x00\x61b\xc1\xfb\x3f\xf8\0\0\0\0\0\0\x61c\xf9\x3e\x00\x61d\x21\x61e\x7f\x61x\x61y\xff";
    let expected = doc! {
        "a" => at("2023-11-14T22:13:20Z"), "b" => at("1970-01-01T00:00:01.5Z"), "c" => 1.5, "d" => -2, "e" => "xy",
    };
    assert_eq!(cbor::decode(sent).unwrap(), expected);
    assert_eq!(cbor::decode(b"").unwrap(), doc! {});
}

#[test]
fn cbor_refuses_what_is_no_request() {
    let deep = [b"\x81".repeat(100_000), b"\x01".to_vec()].concat();
    let huge = b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff";
    for bad in [
        &deep[..],
        huge,
        b"\x01",
        b"\xa0\xa0",
        b"\xff",
        b"\xa1\x61a",
        b"\xa1\x01\x01",
        b"\xa1\x61a\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(cbor::decode(bad).is_err(), "{:?}", &bad[..bad.len().min(20)]);
    }
}

#[test]
fn cbor_writes_dates_and_errors() {
    assert_eq!(cbor::encode(&Doc::Null), b"\xa0");
    assert_eq!(cbor::encode(&doc! { "t" => at("1970-01-01T00:00:01.5Z") }), b"\xa1\x61t\xc1\xfb\x3f\xf8\0\0\0\0\0\0");
    assert_eq!(cbor::decode(&cbor::error("A", "b")).unwrap(), doc! { "__type" => "A", "message" => "b" });
}

#[test]
fn a_form_nests() {
    let form = "Action=ModifyRule&Version=2015-12-01&RuleArn=arn%3Aaws&Empty=&Names.member=\
                &A.member.10.T=last&A.member.2.T=b+c&A.member.2.W=90\
                &M.entry.1.Name=n&Filter.1.Value.1=v&Plain.member.x=1&Deep.B.C=2";
    let call = query::decode(form).unwrap();
    assert_eq!((call.action.as_str(), call.version.as_str()), ("ModifyRule", "2015-12-01"));
    let expected = doc! {
        "A" => vec![doc! { "T" => "b c", "W" => "90" }, doc! { "T" => "last" }],
        "Deep" => doc! { "B" => doc! { "C" => "2" } },
        "Empty" => "",
        "Filter" => vec![doc! { "Value" => vec!["v"] }],
        "M" => vec![doc! { "Name" => "n" }],
        "Names" => Vec::<String>::new(),
        "Plain" => doc! { "member" => doc! { "x" => "1" } },
        "RuleArn" => "arn:aws",
    };
    assert_eq!(call.input, expected);
    assert_eq!(call.input.list("Empty"), []);
    assert!(query::decode(&"a.".repeat(100_000)).is_err());
    assert!(query::decode(&"a&".repeat(100_000)).is_err());
}

#[test]
fn query_answers_in_xml() {
    let answer = doc! {
        "Items" => vec![doc! { "Name" => "a<b", "When" => at("2026-01-02T03:04:05.678Z"), "No" => Doc::Null }],
        "None" => Vec::<String>::new(),
        "Whole" => at("2026-01-02T03:04:05Z"),
        "N" => 1, "F" => 2.0, "B" => false,
    };
    let expected = "<OpResponse xmlns=\"http://example.com/\"><OpResult><Items><member><Name>a&lt;b</Name>\
                    <When>2026-01-02T03:04:05.678Z</When></member></Items><None/><Whole>2026-01-02T03:04:05Z</Whole>\
                    <N>1</N><F>2.0</F><B>false</B></OpResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata>\
                    </OpResponse>";
    assert_eq!(query::encode(&DIALECT, "Op", &answer, "id"), expected);
    let void = query::encode(&DIALECT, "Op", &Doc::Null, "id");
    assert!(!void.contains("OpResult"), "{void}");
    assert!(query::encode(&DIALECT, "Op", &doc! {}, "id").contains("<OpResult/>"));
    let ec2 = query::Dialect { ec2: true, ..DIALECT };
    let expected =
        "<OpResponse xmlns=\"http://example.com/\"><requestId>id</requestId><set><item>a</item></set></OpResponse>";
    assert_eq!(query::encode(&ec2, "Op", &doc! { "set" => vec!["a"] }, "id"), expected);
}

#[test]
fn query_errors_say_whose_fault_it_is() {
    let expected = "<ErrorResponse xmlns=\"http://example.com/\"><Error><Type>Sender</Type><Code>C</Code>\
                    <Message>m</Message></Error><RequestId>id</RequestId></ErrorResponse>";
    assert_eq!(query::error(&DIALECT, 400, "C", "m", "id"), expected);
    assert!(query::error(&DIALECT, 500, "C", "m", "id").contains("Receiver"));
    let ec2 = query::Dialect { ec2: true, ..DIALECT };
    assert!(query::error(&ec2, 400, "C", "m", "id").starts_with("<Response><Errors><Error><Code>C</Code>"));
}

#[test]
fn xml_reads_elements_and_entities() {
    let text =
        "<?xml version=\"1.0\"?><!-- c --><a xmlns=\"x\"><b> 1 </b><n:c>&lt;&#x41;&amp;<![CDATA[<]]></n:c><b/></a>";
    let root = xml::parse(text.as_bytes()).unwrap();
    assert_eq!((root.name.as_str(), root.get("b"), root.get("c")), ("a", Some("1"), Some("<A&<")));
    assert_eq!(root.all("b").count(), 2);
    let bomb = "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>";
    for bad in ["", "<a>", "</a>", "<a></b>", "<a/><b/>", "x", bomb, "<a>&e;</a>", &"<a>".repeat(100_000)] {
        assert!(xml::parse(bad.as_bytes()).is_err(), "{bad:.40}");
    }
}

#[test]
fn percent_encoding_keeps_only_unreserved() {
    assert_eq!(percent::encode("a b/ü~+".as_bytes(), b"/"), "a%20b/%C3%BC~%2B");
    assert_eq!(percent::decode("%41%zz%4"), b"A%zz%4");
    assert_eq!(percent::decode("%€"), "%€".as_bytes());
    let pairs: Vec<_> = percent::pairs("a=1+2&&b&c=%3D=").collect();
    assert_eq!(pairs, [("a", "1 2"), ("b", ""), ("c", "==")].map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// Any document, without the values that a format has no form for.
fn documents() -> impl Strategy<Value = Doc> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Doc::Bool),
        any::<i64>().prop_map(Doc::Int),
        any::<i32>().prop_map(|eighths| Doc::Float(f64::from(eighths) / 8.0)),
        ".*".prop_map(Doc::Text),
    ];
    let tree = scalar.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Doc::List),
            proptest::collection::btree_map(".{0,8}", inner, 0..6).prop_map(|map| Doc::Map(map.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map(".{0,8}", tree, 0..6).prop_map(|map| Doc::Map(map.into_iter().collect()))
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        drop((json::decode(&bytes), cbor::decode(&bytes), xml::parse(&bytes), query::decode(&text), percent::decode(&text)));
    }

    #[test]
    fn almost_requests_do_not_make_a_decoder_panic(doc in documents(), at in any::<proptest::sample::Index>(), byte: u8) {
        for mut bytes in [json::encode(&doc).into_bytes(), cbor::encode(&doc)] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            drop((json::decode(&bytes), cbor::decode(&bytes)));
            bytes.truncate(at);
            drop((json::decode(&bytes), cbor::decode(&bytes)));
        }
    }

    #[test]
    fn what_is_written_reads_back(doc in documents()) {
        prop_assert_eq!(&cbor::decode(&cbor::encode(&doc)).unwrap(), &doc);
        prop_assert_eq!(&json::decode(json::encode(&doc).as_bytes()).unwrap(), &doc);
    }

    #[test]
    fn any_text_survives_xml(text in "[^\u{0}-\u{1f}\u{7f}\u{fffe}\u{ffff}]*") {
        let mut out = xml::Document::new();
        out.text("a", &text);
        prop_assert_eq!(xml::parse(out.finish().as_bytes()).unwrap().text, text);
    }

    #[test]
    fn any_bytes_survive_percent_encoding(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(percent::decode(&percent::encode(&bytes, b"")), bytes);
    }
}
