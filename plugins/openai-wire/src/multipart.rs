//! A body of `multipart/form-data` (RFC 7578), written in the sandbox.
//!
//! In: texts and files by name. Out: the body and its content type. Never: a boundary that stands in
//! what it separates.

/// A body that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Form {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    head: String,
    content: Vec<u8>,
}

impl Form {
    /// Adds a text.
    pub(crate) fn text(&mut self, name: &str, value: impl Into<String>) {
        self.parts.push(Part {
            head: format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(name)),
            content: value.into().into_bytes(),
        });
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, name: &str, file_name: &str, media_type: &str, bytes: &[u8]) {
        self.parts.push(Part {
            head: format!(
                "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
                quoted(name),
                quoted(file_name),
                media_type.replace(['\r', '\n'], "")
            ),
            content: bytes.to_vec(),
        });
    }

    /// The content type and the body.
    pub(crate) fn finish(self) -> (String, Vec<u8>) {
        let boundary = self.boundary();
        let size: usize = self
            .parts
            .iter()
            .map(|part| part.head.len() + part.content.len() + 80)
            .sum();
        let mut body = Vec::with_capacity(size + 80);
        for part in self.parts {
            body.extend_from_slice(format!("--{boundary}\r\n{}", part.head).as_bytes());
            body.extend_from_slice(&part.content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// A boundary that no content holds. The same content has always the same, so that a request can
    /// be compared.
    fn boundary(&self) -> String {
        let holds = |boundary: &str| {
            let wanted = boundary.as_bytes();
            let content = |part: &Part| part.content.windows(wanted.len()).any(|window| window == wanted);
            self.parts.iter().any(content)
        };
        let mut number = 0_u64;
        loop {
            let boundary = format!("llm-host-form-{number:016x}");
            if !holds(&boundary) {
                return boundary;
            }
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
        }
    }
}

/// A name within quotes, as browsers write it (HTML: multipart/form-data encoding algorithm).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_files() {
        let mut form = Form::default();
        form.text("model", "m");
        form.file("file", "a\"b\r\n.wav", "audio/wav", b"\x00\x01");
        let (kind, body) = form.finish();
        assert_eq!(kind, "multipart/form-data; boundary=llm-host-form-0000000000000000");
        assert_eq!(
            body,
            b"--llm-host-form-0000000000000000\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
              --llm-host-form-0000000000000000\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a%22b%0D%0A.wav\"\r\n\
              Content-Type: audio/wav\r\n\r\n\x00\x01\r\n--llm-host-form-0000000000000000--\r\n"
        );
    }

    #[test]
    fn the_boundary_is_not_in_the_content() {
        let mut form = Form::default();
        form.text("a", "llm-host-form-0000000000000000");
        let (kind, body) = form.finish();
        let boundary = kind.rsplit_once('=').unwrap().1;
        let count = String::from_utf8(body).unwrap().matches(boundary).count();
        assert_eq!(count, 2);
    }
}
