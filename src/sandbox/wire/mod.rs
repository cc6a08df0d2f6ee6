//! One codec per AWS protocol: text or bytes to [`Doc`](super::doc::Doc) and back.
