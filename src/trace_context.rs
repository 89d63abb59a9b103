//! The trace that a run is part of: read from what Lambda and the client say, and said to the agent and in
//! the log, so that one run can be followed from the client to the agent's own spans.
//!
//! Two headers say the same in two forms, and either can be made of the other:
//!
//! | header | form | from |
//! |---|---|---|
//! | `X-Amzn-Trace-Id` | `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1` | "Tracing header" in "AWS X-Ray concepts" |
//! | `traceparent` | `00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01` | W3C, "Trace Context" |
//!
//! What does not have its header's form is left out, as if it were not there: a trace is never worth a run.
//! So nothing of a client's header gets any further but digits that were checked, and a `tracestate` of
//! printable characters, which the log never has.

/// The length of a `traceparent` of version 00, and of what later versions begin with.
const TRACEPARENT_LENGTH: usize = 55;

/// The longest `tracestate` that `AgentCore` takes (the model of `InvokeAgentRuntime`).
const MAX_TRACESTATE: usize = 512;

/// The most entries of a `tracestate` (W3C, "Trace Context").
const MAX_TRACESTATE_ENTRIES: usize = 32;

/// The longest `Lineage`: with it, `X-Amzn-Trace-Id` has the 128 characters that `InvokeAgentRuntime` takes.
const MAX_LINEAGE: usize = 45;

/// A trace, and the place in it from which the agent is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 hexadecimal digits, in lower case and not all zero.
    trace_id: String,
    /// The span that calls, 16 digits of that kind, if there is one.
    parent_id: Option<String>,
    /// Whether spans are to be recorded; `None` where nobody has decided.
    sampled: Option<bool>,
    /// What the tracing systems of the client add to its `traceparent`.
    tracestate: Option<String>,
    /// By what Lambda notices functions that call each other in a circle, as Lambda said it.
    lineage: Option<String>,
}

impl TraceContext {
    /// The trace in the headers of a client's request, each with its values. `traceparent` counts more, since
    /// API Gateway sets `X-Amzn-Trace-Id` of every request, with a `Root` and nothing else where the client
    /// sent none.
    #[must_use]
    pub fn of_client(
        traceparent: &[String],
        tracestate: &[String],
        x_amzn_trace_id: &[String],
    ) -> Option<Self> {
        // Who sends two is not understood ("A.2 traceparent" says so of W3C's).
        if let [traceparent] = traceparent
            && let Some(context) = Self::of_traceparent(traceparent)
        {
            return Some(Self { tracestate: checked_tracestate(tracestate), ..context });
        }
        let [x_amzn_trace_id] = x_amzn_trace_id else { return None };
        // What keeps functions from calling each other for ever is Lambda's to say.
        Some(Self { lineage: None, ..Self::of_x_amzn_trace_id(x_amzn_trace_id)? })
    }

    /// The trace of an invocation, as Lambda says it.
    ///
    /// `Sampled=0` is what Lambda says of all invocations while its tracing is off, although nobody has
    /// decided anything. Passed on, it would end the agent's own tracing, so it is passed on as undecided.
    #[must_use]
    pub fn of_lambda(x_amzn_trace_id: &str) -> Option<Self> {
        let context = Self::of_x_amzn_trace_id(x_amzn_trace_id)?;
        Some(Self { sampled: context.sampled.filter(|sampled| *sampled), ..context })
    }

    /// The trace that a run is part of: the client's, if it has begun one. Where Lambda records spans of the
    /// same trace, the agent is called from Lambda's span, which is nearer.
    #[must_use]
    pub fn of_run(client: Option<Self>, lambda: Option<Self>) -> Option<Self> {
        let (client, lambda) = match (client, lambda) {
            (Some(client), Some(lambda)) => (client, lambda),
            (client, lambda) => return client.or(lambda),
        };
        // A root alone is API Gateway's, and of no trace of the client's.
        let is_begun = client.parent_id.is_some();
        if !is_begun {
            return Some(lambda);
        }
        if client.trace_id == lambda.trace_id && lambda.sampled == Some(true) {
            return Some(Self { tracestate: client.tracestate, ..lambda });
        }
        Some(Self { lineage: lambda.lineage, ..client })
    }

    /// The trace's id, in 32 hexadecimal digits: W3C's and OpenTelemetry's form. X-Ray writes a `1`, the first
    /// eight and the others, with hyphens between them.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The value of `X-Amzn-Trace-Id`, of at most 128 characters.
    #[must_use]
    pub fn x_amzn_trace_id(&self) -> String {
        let (epoch, rest) = self.trace_id.split_at(8);
        let mut header = format!("Root=1-{epoch}-{rest}");
        let sampled = self.sampled.map(|sampled| if sampled { "1" } else { "0" });
        for (name, value) in [
            ("Parent", self.parent_id.as_deref()),
            ("Sampled", sampled),
            ("Lineage", self.lineage.as_deref()),
        ] {
            if let Some(value) = value {
                header.extend([";", name, "=", value]);
            }
        }
        header
    }

    /// The value of `traceparent`. `None` where nobody has decided what is recorded, or no span calls, since
    /// this form can't say so.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let flags = if self.sampled? { "01" } else { "00" };
        Some(format!("00-{}-{}-{flags}", self.trace_id, self.parent_id.as_deref()?))
    }

    /// The value of `tracestate`, which goes with `traceparent`.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    fn of_traceparent(header: &str) -> Option<Self> {
        let (known, later) = header.split_at_checked(TRACEPARENT_LENGTH)?;
        let mut fields = known.split('-');
        let (version, trace_id) = (fields.next()?, fields.next()?);
        let (parent_id, flags) = (fields.next()?, fields.next()?);
        // A later version may go on behind a further hyphen; of this one, nothing may follow.
        let is_whole = match version {
            "00" => later.is_empty(),
            "ff" => false,
            _ => later.is_empty() || later.starts_with('-'),
        };
        let is_valid = is_whole
            && fields.next().is_none()
            && is_hex(version, 2)
            && is_id(trace_id, 32)
            && is_id(parent_id, 16)
            && is_hex(flags, 2);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        is_valid.then(|| Self {
            trace_id: trace_id.to_owned(),
            parent_id: Some(parent_id.to_owned()),
            sampled: Some(flags & 1 == 1),
            tracestate: None,
            lineage: None,
        })
    }

    fn of_x_amzn_trace_id(header: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = header.split(';').filter_map(|field| field.trim().split_once('='));
            fields.find(|(other, _)| *other == name).map(|(_, value)| value)
        };
        let mut root = field("Root")?.split('-');
        let (version, epoch, rest) = (root.next()?, root.next()?, root.next()?);
        if version != "1" || !is_hex(epoch, 8) || !is_hex(rest, 24) || root.next().is_some() {
            return None;
        }
        let trace_id = format!("{epoch}{rest}");
        if !is_id(&trace_id, 32) {
            return None;
        }
        Some(Self {
            trace_id,
            parent_id: field("Parent").filter(|parent| is_id(parent, 16)).map(str::to_owned),
            sampled: match field("Sampled") {
                Some("1") => Some(true),
                Some("0") => Some(false),
                _ => None,
            },
            tracestate: None,
            lineage: field("Lineage").filter(|lineage| is_lineage(lineage)).map(str::to_owned),
        })
    }
}

/// Whether a text is so many hexadecimal digits in lower case.
fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is an id of so many digits: one of zeros is none.
fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

/// Whether a text can be a `Lineage`, such as `1:a87bd80c:0`, or several behind bars.
fn is_lineage(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'|');
    !text.is_empty() && text.len() <= MAX_LINEAGE && text.bytes().all(is_char)
}

/// A `tracestate` in one or in several headers, if it is one: entries `key=value` of printable characters.
fn checked_tracestate(headers: &[String]) -> Option<String> {
    let items = headers.iter().flat_map(|header| header.split(',')).map(str::trim);
    let entries: Vec<&str> = items.filter(|entry| !entry.is_empty()).collect();
    let is_key =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_entry = |entry: &&str| {
        let Some((key, value)) = entry.split_once('=') else { return false };
        let is_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
        (1..=256).contains(&key.len())
            && key.bytes().all(is_key)
            && (1..=256).contains(&value.len())
            && value.bytes().all(is_value)
    };
    let is_valid =
        (1..=MAX_TRACESTATE_ENTRIES).contains(&entries.len()) && entries.iter().all(is_entry);
    Some(entries.join(",")).filter(|joined| is_valid && joined.len() <= MAX_TRACESTATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
    const ID: &str = "5759e988bd862e3fe1be46a994272793";
    const PARENT: &str = "53995c3f42cd8ad8";

    fn lambda(header: &str) -> Option<TraceContext> {
        TraceContext::of_lambda(header)
    }

    fn client(traceparent: &str) -> Option<TraceContext> {
        TraceContext::of_client(&[traceparent.to_owned()], &[], &[])
    }

    fn client_of_xray(header: &str) -> Option<TraceContext> {
        TraceContext::of_client(&[], &[], &[header.to_owned()])
    }

    fn traceparent(of: &str) -> String {
        format!("00-{of}-{PARENT}-01")
    }

    #[test]
    fn either_form_is_made_of_the_other() {
        let xray = format!("Root={ROOT};Parent={PARENT};Sampled=1");
        let w3c = traceparent(ID);
        for context in [lambda(&xray), client_of_xray(&xray), client(&w3c)] {
            let context = context.unwrap();
            assert_eq!(context.trace_id(), ID);
            assert_eq!(context.x_amzn_trace_id(), xray);
            assert_eq!(context.traceparent(), Some(w3c.clone()));
        }
    }

    #[test]
    fn what_lambda_does_not_record_is_undecided() {
        for header in [
            format!("Root={ROOT};Parent={PARENT};Sampled=0"),
            format!("Root={ROOT};Parent={PARENT}"),
            format!("Root={ROOT};Parent={PARENT};Sampled=?"),
        ] {
            let context = lambda(&header).unwrap();
            assert_eq!(context.x_amzn_trace_id(), format!("Root={ROOT};Parent={PARENT}"));
            assert_eq!(context.traceparent(), None, "{header}");
        }
    }

    #[test]
    fn what_a_client_does_not_record_is_decided() {
        for context in [
            client(&format!("00-{ID}-{PARENT}-00")),
            client_of_xray(&format!("Root={ROOT};Parent={PARENT};Sampled=0")),
        ] {
            let context = context.unwrap();
            let expected = format!("Root={ROOT};Parent={PARENT};Sampled=0");
            assert_eq!(context.x_amzn_trace_id(), expected);
            assert_eq!(context.traceparent(), Some(format!("00-{ID}-{PARENT}-00")));
        }
    }

    #[test]
    fn only_the_flag_of_sampling_counts() {
        for (flags, sampled) in [("01", "01"), ("03", "01"), ("ff", "01"), ("02", "00")] {
            let context = client(&format!("00-{ID}-{PARENT}-{flags}")).unwrap();
            assert_eq!(context.traceparent(), Some(format!("00-{ID}-{PARENT}-{sampled}")));
        }
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        for later in ["", "-", "-and more"] {
            let context = client(&format!("cc-{ID}-{PARENT}-01{later}")).unwrap();
            assert_eq!(context.traceparent(), Some(traceparent(ID)), "{later}");
        }
    }

    #[test]
    fn a_traceparent_of_another_form_is_none() {
        let valid = traceparent(ID);
        for odd in [
            String::new(),
            "-".repeat(55),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{ID}-{}-01", "0".repeat(16)),
            format!("ff-{ID}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", ID.to_uppercase()),
            format!("00-{ID}-{PARENT}-0g"),
            format!("0g-{ID}-{PARENT}-01"),
            format!("00-{ID}-{PARENT}-01-"),
            format!("cc-{ID}-{PARENT}-01."),
            format!("00-{}-{PARENT}-01-0", &ID[..30]),
            format!("00_{ID}_{PARENT}_01"),
            format!("{valid}\n"),
            format!(" {valid}"),
            format!("00-{}é-{PARENT}-01", &ID[..30]),
            "é".repeat(400),
        ] {
            assert_eq!(client(&odd), None, "{odd:?}");
        }
        let twice = [valid.clone(), valid];
        assert_eq!(TraceContext::of_client(&twice, &[], &[]), None);
    }

    /// Whatever one character becomes and wherever it is cut, what is read is what was said or nothing.
    #[test]
    fn a_header_that_is_damaged_anywhere_is_read_as_it_stands_or_not_at_all() {
        let w3c = traceparent(ID);
        let xray = format!("Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:a87bd80c:0");
        for length in 0..w3c.len() {
            assert_eq!(client(&w3c[..length]), None);
        }
        for length in 0..xray.len() {
            let Some(context) = client_of_xray(&xray[..length]) else { continue };
            assert!(xray.starts_with(&context.x_amzn_trace_id()), "{length}");
        }
        for position in 0..w3c.len() {
            for byte in 0..128_u8 {
                let mut damaged = w3c.clone().into_bytes();
                damaged[position] = byte;
                let damaged = String::from_utf8(damaged).unwrap();
                let Some(context) = client(&damaged) else { continue };
                assert_eq!(context.traceparent().unwrap()[3..52], damaged[3..52]);
            }
        }
        for position in 0..xray.len() {
            for byte in 0..128_u8 {
                let mut damaged = xray.clone().into_bytes();
                damaged[position] = byte;
                let damaged = String::from_utf8(damaged).unwrap();
                let Some(context) = lambda(&damaged) else { continue };
                assert!(is_id(context.trace_id(), 32), "{damaged}");
                let header = context.x_amzn_trace_id();
                assert!(header.len() <= 128 && header.bytes().all(|byte| byte.is_ascii_graphic()));
                assert_eq!(lambda(&header), Some(context), "{damaged}");
            }
        }
    }

    #[test]
    fn an_x_amzn_trace_id_of_another_form_is_none() {
        for odd in [
            "",
            "Root=",
            ROOT,
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793-1",
            "Root=1-5759E988-bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000",
            "Parent=53995c3f42cd8ad8;Sampled=1",
        ] {
            assert_eq!(lambda(odd), None, "{odd}");
        }
    }

    #[test]
    fn fields_may_be_unknown_odd_or_in_any_order() {
        let header = format!("Self=1-x; Sampled=1 ;Parent={PARENT}; Root={ROOT};Odd;Lineage=é");
        let context = lambda(&header).unwrap();
        assert_eq!(context.x_amzn_trace_id(), format!("Root={ROOT};Parent={PARENT};Sampled=1"));
        let context = lambda(&format!("Root={ROOT};Parent=0000000000000000;Sampled=1")).unwrap();
        assert_eq!(context.x_amzn_trace_id(), format!("Root={ROOT};Sampled=1"));
        assert_eq!(context.traceparent(), None, "no span calls");
    }

    #[test]
    fn lineage_is_lambdas_alone() {
        let lineage = "a87bd80c:1|68fd508a:5|c512fbe3:2";
        let header = format!("Root={ROOT};Parent={PARENT};Sampled=1;Lineage={lineage}");
        assert_eq!(lambda(&header).unwrap().x_amzn_trace_id(), header);
        let of_client = client_of_xray(&header);
        let expected = format!("Root={ROOT};Parent={PARENT};Sampled=1");
        assert_eq!(of_client.clone().unwrap().x_amzn_trace_id(), expected);
        let other = "Root=1-6759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage=1:abc:0";
        let run = TraceContext::of_run(of_client, lambda(other)).unwrap();
        assert_eq!(run.x_amzn_trace_id(), format!("{expected};Lineage=1:abc:0"));
        let longest = "1".repeat(MAX_LINEAGE);
        for (lineage, length) in [(longest.clone(), 128), (format!("{longest}1"), 74)] {
            let header = format!("Root={ROOT};Parent={PARENT};Sampled=1;Lineage={lineage}");
            assert_eq!(lambda(&header).unwrap().x_amzn_trace_id().len(), length);
        }
    }

    #[test]
    fn a_run_is_part_of_the_clients_trace_if_it_has_begun_one() {
        let of_lambda = lambda(&format!("Root={ROOT};Parent={PARENT};Sampled=1"));
        let run = |client| TraceContext::of_run(client, of_lambda.clone());
        let id = |context: Option<TraceContext>| context.unwrap().trace_id().to_owned();
        let other = ID.replace('5', "6");
        assert_eq!(run(None), of_lambda);
        assert_eq!(id(run(client(&traceparent(&other)))), other);
        // API Gateway's own, of a request without one.
        assert_eq!(run(client_of_xray("Root=1-6759e988-bd862e3fe1be46a994272793")), of_lambda);
        assert_eq!(TraceContext::of_run(None, None), None);
        let of_client = client(&traceparent(&other));
        assert_eq!(TraceContext::of_run(of_client.clone(), None), of_client);
    }

    #[test]
    fn in_the_same_trace_lambdas_span_calls_if_it_is_recorded() {
        let from_client = || client(&format!("00-{ID}-00000000000000aa-01"));
        for (sampled, parent) in [("1", PARENT), ("0", "00000000000000aa")] {
            let of_lambda = lambda(&format!("Root={ROOT};Parent={PARENT};Sampled={sampled}"));
            let run = TraceContext::of_run(from_client(), of_lambda).unwrap();
            assert_eq!(run.traceparent(), Some(format!("00-{ID}-{parent}-01")));
        }
    }

    #[test]
    fn a_tracestate_goes_with_its_traceparent() {
        let read = |traceparent: &str, states: &[&str]| {
            let states: Vec<String> = states.iter().map(|&state| state.to_owned()).collect();
            let context = TraceContext::of_client(&[traceparent.to_owned()], &states, &[])?;
            context.tracestate().map(str::to_owned)
        };
        let valid = traceparent(ID);
        assert_eq!(read(&valid, &["a=1, b@c=2"]).unwrap(), "a=1,b@c=2");
        assert_eq!(read(&valid, &["a=1", "b=2,,"]).unwrap(), "a=1,b=2");
        let (long, full) = ("a".repeat(257), format!("a={}", "b".repeat(256)));
        let many = vec!["a=1"; 33].join(",");
        for odd in ["", "a", "A=1", "a=1=2", "a=\u{7f}", "a=é", &long, &many] {
            assert_eq!(read(&valid, &[odd]), None, "{odd}");
        }
        assert_eq!(read(&valid, &[&full, &full]), None, "more than the agent takes");
        assert_eq!(read("00-", &["a=1"]), None);
    }
}
