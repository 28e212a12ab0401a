//! The server: connections, and what it takes to keep them honest.

mod assets;
mod guard;
mod patient;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use postil_core::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use crate::room::Room;
use crate::{Serving, Workplace};
use patient::Patient;

/// Connections at once; further ones wait.
const MOST_CONNECTIONS: usize = 1024;

/// So long is waited for threads when a server ends.
const PARTING: Duration = Duration::from_secs(5);

/// A server that holds its project's ledger and has its address.
pub struct Server {
    room: Arc<Room>,
    listener: std::net::TcpListener,
    address: SocketAddr,
    stop: Arc<Notify>,
}

/// Ends a server from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Tells the server to end; what was acknowledged is on disk already.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

impl Server {
    /// Takes the address and opens the project. The items are read while the first requests are served.
    ///
    /// # Errors
    /// The address is taken; another process writes to the ledger; the items' file is no table or lacks a column.
    pub fn open(place: Workplace, serving: Serving) -> Result<Self> {
        let wanted = serving.socket();
        let refused = |error: std::io::Error| {
            Error::io(format!("the address {wanted} cannot be had: {error}"), error)
                .hint("another program may have it: `--port 0` takes a free one")
        };
        let listener = std::net::TcpListener::bind(wanted).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let room = Room::open(place, Serving { port: address.port(), ..serving })?;
        Ok(Self { room, listener, address, stop: Arc::default() })
    }

    /// What ends the server once it runs.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// The address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a personal link, before or while the server runs; the path with its token comes back.
    ///
    /// # Errors
    /// A name that cannot be one.
    pub fn invite(&self, name: &str, role: crate::Role) -> Result<String> {
        let name = crate::people::check_name(name)?;
        let token = crate::room::lock(&self.room.people).invite(&self.room.ledger, name, role, crate::now_millis())?;
        Ok(format!("/join?token={token}"))
    }

    /// Serves until the process is told to stop; `ready` is called when the first request can come.
    ///
    /// # Errors
    /// The system gives no threads or sockets.
    pub fn run(self, ready: &dyn Fn(SocketAddr)) -> Result<()> {
        let failed = |error: std::io::Error| Error::io(format!("the server cannot be started: {error}"), error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(64)
            .build()
            .map_err(failed)?;
        let Self { room, listener, address, stop } = self;
        let outcome = runtime.block_on(async {
            let listener = TcpListener::from_std(listener).map_err(failed)?;
            let (router, patience) = (routes::router(&room), room.serving.patience);
            ready(address);
            tokio::select! {
                () = accept(listener, router, patience) => Ok(()),
                () = stop.notified() => Ok(()),
            }
        });
        drop(runtime);
        outcome.and_then(|()| close(room))
    }
}

/// Gives the ledger back once the threads that still look at it are done; whatever they do can be done again.
fn close(mut room: Arc<Room>) -> Result<()> {
    let begun = Instant::now();
    loop {
        match Arc::try_unwrap(room) {
            Ok(room) => return room.ledger.close(),
            Err(_) if begun.elapsed() > PARTING => return Ok(()),
            Err(again) => room = again,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn accept(listener: TcpListener, router: axum::Router, patience: Duration) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, mostly: wait until some are closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // An answer is a small packet that somebody waits for.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(64 << 10);
            // What goes wrong on a connection is its client's business.
            let _ = builder.serve_connection(TokioIo::new(Patient::new(stream, patience)), service).await;
            drop(place);
        });
    }
}
