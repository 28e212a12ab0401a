//! How many letter questions a second the server answers: `speed URL CONNECTIONS REQUESTS`. The client sends bytes made
//! beforehand and looks only for the length of each reply. The server's CPU time is its own to report.
#![expect(clippy::print_stdout, reason = "it reports")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, connections, requests] = arguments.as_slice() else { anyhow::bail!("expected URL CONNECTIONS REQUESTS") };
    let address = url.trim_start_matches("http://").trim_end_matches("/v1");
    let (connections, requests): (usize, usize) = (connections.parse()?, requests.parse()?);
    let start = Instant::now();
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..connections).map(|who| scope.spawn(move || client(address, who, requests / connections))).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| anyhow::bail!("a client panicked")))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{requests} requests in {seconds:.2} s: {:.0} a second", requests as f64 / seconds);
    Ok(())
}

fn client(address: &str, who: usize, requests: usize) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    for number in 0..requests {
        let item =
            format!("Client {who} has found that page {number} of the manual is missing, and wants to know why.");
        let prompt = format!(
            "Which label fits the text between the lines?\\n=== 0123456789ab ===\\n{item}\\n=== 0123456789ab ===\\nA. \
             praise: it is liked\\nB. bug: something is broken\\nC. billing: about money\\nAnswer with one letter."
        );
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":"You label texts for a help desk."}},{{"role":"user","content":"{prompt}"}}],"max_tokens":1,"temperature":0,"logprobs":true,"top_logprobs":5}}"#
        );
        let length = body.len();
        stream.write_all(
            format!("POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        )?;
        let mut read = 0;
        loop {
            let more = stream.read(&mut buffer[read..])?;
            anyhow::ensure!(more > 0, "the connection ended");
            read += more;
            let text = std::str::from_utf8(&buffer[..read])?;
            let Some(end) = text.find("\r\n\r\n") else { continue };
            let length = text.split("Content-Length: ").nth(1).context("no length")?;
            let length: usize = length.split("\r\n").next().context("no length")?.parse()?;
            if read >= end + 4 + length {
                break;
            }
        }
    }
    Ok(())
}
