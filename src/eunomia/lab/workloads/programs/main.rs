// SPDX-License-Identifier: Apache-2.0
//! Threads, channels, TCP on the loopback, files, a timer. A panic anywhere is an exit code that is not 0.
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;

fn serve(listener: TcpListener, seen: Arc<Mutex<HashMap<String, usize>>>) {
    let workers: Vec<_> = listener
        .incoming()
        .take(CLIENTS)
        .map(|stream| {
            let (stream, seen) = (stream.unwrap(), seen.clone());
            thread::spawn(move || {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                *seen.lock().unwrap().entry(line.trim().to_string()).or_default() += 1;
                (&stream).write_all(line.to_uppercase().as_bytes()).unwrap();
            })
        })
        .collect();
    workers.into_iter().for_each(|one| one.join().unwrap());
}

fn ask(address: std::net::SocketAddr, number: usize) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    writeln!(stream, "client {number}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn main() {
    let started = Instant::now();
    let seen = Arc::new(Mutex::new(HashMap::new()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = {
        let seen = seen.clone();
        thread::spawn(move || serve(listener, seen))
    };
    let (answers, received) = mpsc::channel();
    for number in 0..CLIENTS {
        let answers = answers.clone();
        thread::spawn(move || answers.send(ask(address, number)).unwrap());
    }
    let all: Vec<String> = received.iter().take(CLIENTS).collect();
    assert!(all.iter().all(|one| one.starts_with("CLIENT ")));
    server.join().unwrap();
    assert_eq!(seen.lock().unwrap().len(), CLIENTS);
    fs::create_dir_all("/tmp/rust/deep").unwrap();
    fs::write("/tmp/rust/deep/file", all.concat()).unwrap();
    fs::rename("/tmp/rust/deep/file", "/tmp/rust/file").unwrap();
    assert_eq!(fs::read_dir("/tmp/rust").unwrap().count(), 2);
    assert_eq!(fs::metadata("/tmp/rust/file").unwrap().len() as usize, all.concat().len());
    fs::remove_dir_all("/tmp/rust").unwrap();
    thread::sleep(Duration::from_millis(10));
    assert!(started.elapsed() >= Duration::from_millis(10));
    println!("{CLIENTS} clients");
}
