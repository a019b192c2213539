//! Changes that span both stores, with a server that dies after each write that they take.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::future::Future;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{Client, ORIGIN, Town, finish, realm_over};
use crypto::{DeletionProof, LoginProof};
use delivery::testing::{NOW, Person, ready};
use mls::Group;
use realm::Session;
use storage::memory::{MemoryBlobs, MemoryLogs, MemoryRecords};
use storage::{
    AccountRecord, Batch, Cell, Changed, DeviceRecord, Error, Incarnation, Inserted, Key, Logs, Outcome,
    Page, ReadLimits, Records, Seq,
};
use types::wire::client_frame::Body as Asked;
use types::wire::server_frame::Body;
use types::wire::{self, ClientFrame, RefusalCode};
use types::{DeviceId, Handle, LogId, Timestamp};

/// How many writes a server has left, and whether the one that it dies of reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Long,
    Writes { left: usize, last_is_kept: bool },
    Over,
}

/// A store that dies when its server does.
#[derive(Clone)]
struct Mortal<S> {
    store: S,
    life: Arc<Mutex<Life>>,
}

enum Fate {
    Done,
    DoneInVain,
    Lost,
}

impl<S> Mortal<S> {
    fn spend(&self) -> Fate {
        let life = &mut *self.life.lock().unwrap();
        let (fate, next) = match *life {
            Life::Long => (Fate::Done, Life::Long),
            Life::Writes {
                left: 0,
                last_is_kept,
            } if last_is_kept => (Fate::DoneInVain, Life::Over),
            Life::Writes { left: 0, .. } | Life::Over => (Fate::Lost, Life::Over),
            Life::Writes { left, last_is_kept } => {
                let left = left - 1;
                (Fate::Done, Life::Writes { left, last_is_kept })
            }
        };
        *life = next;
        fate
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        match self.spend() {
            Fate::Done => write.await,
            Fate::DoneInVain => write.await.and(Err(Error::Closed)),
            Fate::Lost => Err(Error::Closed),
        }
    }

    fn alive(&self) -> Result<&S, Error> {
        match *self.life.lock().unwrap() {
            Life::Over => Err(Error::Closed),
            _ => Ok(&self.store),
        }
    }
}

impl Logs for Mortal<MemoryLogs> {
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<Outcome, Error>> + Send + 'static {
        let this = self.clone();
        // Within a future: the store commits as soon as it is asked to.
        async move { this.write(async { this.store.commit(batch).await }).await }
    }

    fn put_lazily(&self, cells: Vec<(Key, Option<Bytes>)>) -> Result<(), Error> {
        self.alive()?.put_lazily(cells)
    }

    async fn read(&self, log: LogId, after: Seq, limits: ReadLimits) -> Result<Page, Error> {
        self.alive()?.read(log, after, limits).await
    }

    async fn cell(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.alive()?.cell(key).await
    }

    async fn cells(&self, prefix: &[u8], limit: usize) -> Result<Vec<Cell>, Error> {
        self.alive()?.cells(prefix, limit).await
    }

    async fn trim(&self, log: LogId, up_to: Seq) -> Result<(), Error> {
        self.write(self.store.trim(log, up_to)).await
    }

    fn incarnation(&self) -> Incarnation {
        self.store.incarnation()
    }
}

impl Records for Mortal<MemoryRecords> {
    async fn insert_account(&self, account: AccountRecord, device: DeviceRecord) -> Result<Inserted, Error> {
        self.write(self.store.insert_account(account, device)).await
    }

    async fn change_account(
        &self,
        list: Bytes,
        account: AccountRecord,
        devices: Vec<DeviceRecord>,
    ) -> Result<Changed, Error> {
        self.write(self.store.change_account(list, account, devices))
            .await
    }

    async fn delete_account(&self, handle: &Handle, list: Bytes) -> Result<Changed, Error> {
        self.write(self.store.delete_account(handle, list)).await
    }

    async fn device_seen(&self, device: DeviceId, at: Timestamp) -> Result<(), Error> {
        self.write(self.store.device_seen(device, at)).await
    }

    async fn is_deleted(&self, handle: &Handle) -> Result<bool, Error> {
        self.alive()?.is_deleted(handle).await
    }

    async fn account(&self, handle: &Handle) -> Result<Option<AccountRecord>, Error> {
        self.alive()?.account(handle).await
    }

    async fn devices(&self, handle: &Handle) -> Result<Vec<DeviceRecord>, Error> {
        self.alive()?.devices(handle).await
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, Error> {
        self.alive()?.device(device).await
    }

    async fn account_count(&self) -> Result<u64, Error> {
        self.alive()?.account_count().await
    }
}

/// Anna at two devices, and Boris, who has her in two conversations, each with another device of hers.
struct Scene {
    town: Town,
    anna: Person,
    phone: Person,
    boris: Person,
    groups: Vec<Group>,
}

impl Scene {
    fn new() -> Self {
        let (anna, boris) = (Person::new("anna", 1), Person::new("boris", 2));
        let phone = anna.at_another_device(2, 11);
        let town = Town::new();
        let groups = {
            let (mut a, mut b) = (town.newcomer(&anna), town.newcomer(&boris));
            let link = wire::ChangeDevices {
                device_list: Some(anna.someone.list(2, &[anna.device_id(), phone.device_id()], NOW)),
                device_certificates: vec![phone.signed.clone()],
                ..wire::ChangeDevices::default()
            };
            a.ask(Asked::ChangeDevices(link)).unwrap();
            let put = wire::PutPiece {
                blob: BLOB,
                offset: 0,
                data: "sealed".into(),
                size: 6,
            };
            a.ask(Asked::PutPiece(put)).unwrap();
            a.publish(1);
            town.login(&phone).publish(3);
            (0..2).map(|_| b.begin_group(&[&anna])).collect()
        };
        Self {
            town,
            anna,
            phone,
            boris,
            groups,
        }
    }

    /// Anna asks for something of a server that dies before it has written more than so much; whether it answered.
    fn ask_a_dying_server(
        &self,
        left: usize,
        last_is_kept: bool,
        ask: impl FnOnce(&[u8; 32]) -> Asked,
    ) -> Result<Body, RefusalCode> {
        let life = Arc::new(Mutex::new(Life::Long));
        let logs = Mortal {
            store: self.town.logs.clone(),
            life: Arc::clone(&life),
        };
        let records = Mortal {
            store: self.town.records.clone(),
            life: Arc::clone(&life),
        };
        let realm = realm_over(Some(ORIGIN), logs, records, self.town.blobs.clone());
        let nonce = self.anna.rng.bytes();
        let mut session = Session::open(realm, ORIGIN.into(), nonce, NOW);
        answer(&mut session, Asked::Login(login(&self.anna, &nonce))).unwrap();
        *life.lock().unwrap() = Life::Writes { left, last_is_kept };
        answer(&mut session, ask(&nonce))
    }

    fn restart(&mut self) {
        self.town.restart();
        ready(self.town.realm.tend(NOW)).unwrap();
        assert_eq!(ready(self.town.logs.cells(b"device-change/", 1)).unwrap(), []);
    }

    fn log_in(&self, person: &Person) -> Result<(), RefusalCode> {
        let mut client = self.town.connect(person);
        let login = login(person, &client.nonce);
        refusal(client.ask(Asked::Login(login)))
    }

    /// What Boris is told who says something in every conversation.
    fn talk(&mut self) -> Vec<Result<(), RefusalCode>> {
        let mut b = self.town.login(&self.boris);
        let say = |group: &mut Group| {
            let said = self.boris.submit_text(group, "x");
            refusal(b.ask(Asked::Submit(said)))
        };
        self.groups.iter_mut().map(say).collect()
    }

    fn stock_of_phone(&self) -> usize {
        let key = [b"key-package/", &self.phone.device_id().as_bytes()[..]].concat();
        ready(self.town.logs.cells(&key, 100)).unwrap().len()
    }
}

const BLOB: Bytes = Bytes::from_static(&[3; 16]);

fn login(person: &Person, nonce: &[u8; 32]) -> wire::Login {
    let proof = LoginProof {
        realm: &person.address.realm,
        origin: ORIGIN,
        nonce,
        device_id: person.device_id(),
        time: NOW,
    };
    wire::Login {
        address: person.address.to_string(),
        device_id: person.device_id().to_bytes(),
        nonce: nonce.to_vec().into(),
        time_ms: NOW.as_ms(),
        signature: proof.sign(&person.key),
    }
}

fn answer<L: Logs, R: Records>(
    session: &mut Session<L, R, MemoryBlobs>,
    asked: Asked,
) -> Result<Body, RefusalCode> {
    let frame = ClientFrame {
        id: 1,
        body: Some(asked),
    };
    match finish(ready(session.handle(NOW, frame))).unwrap().body.unwrap() {
        Body::Refusal(refusal) => Err(refusal.code()),
        body => Ok(body),
    }
}

fn refusal(answered: Result<Body, wire::Refusal>) -> Result<(), RefusalCode> {
    answered.map(drop).map_err(|refusal| refusal.code())
}

/// Runs something with a server that lives for ever longer, until it lives to answer; gives how many times it died.
fn die_ever_later(mut run: impl FnMut(usize, bool) -> bool) -> usize {
    let mut deaths = 0;
    for left in 0.. {
        for last_is_kept in [false, true] {
            if run(left, last_is_kept) {
                return deaths;
            }
            deaths += 1;
        }
    }
    deaths
}

#[test]
fn a_removal_is_whole_or_not_at_all_wherever_the_server_dies() {
    let mut outcomes = [0; 2];
    let deaths = die_ever_later(|left, last_is_kept| {
        let mut scene = Scene::new();
        let removal = wire::ChangeDevices {
            device_list: Some(scene.anna.someone.list(3, &[scene.anna.device_id()], NOW)),
            ..wire::ChangeDevices::default()
        };
        let answered =
            scene.ask_a_dying_server(left, last_is_kept, |_| Asked::ChangeDevices(removal.clone()));
        scene.restart();
        let in_force = scene.log_in(&scene.phone) == Err(RefusalCode::DeviceRevoked);
        let talk = if in_force {
            assert_eq!(scene.stock_of_phone(), 0);
            Err(RefusalCode::RevokedMembers)
        } else {
            assert_eq!(scene.log_in(&scene.phone), Ok(()));
            assert_eq!(scene.stock_of_phone(), 1);
            Ok(())
        };
        assert_eq!(scene.talk(), [talk; 2]);
        assert_eq!(scene.log_in(&scene.anna), Ok(()));
        outcomes[usize::from(in_force)] += 1;
        match answered {
            Ok(_) => assert!(in_force),
            Err(code) => {
                assert_eq!(code, RefusalCode::StoreFailed);
                // Nobody knows what became of it, and asks again.
                let mut a = scene.town.login(&scene.anna);
                a.ask(Asked::ChangeDevices(removal)).unwrap();
                assert_eq!(scene.talk(), [Err(RefusalCode::RevokedMembers); 2]);
            }
        }
        answered.is_ok()
    });
    assert!(
        deaths >= 12 && outcomes[0] >= 1 && outcomes[1] >= 10,
        "{outcomes:?}"
    );
}

#[test]
fn a_deletion_is_whole_or_not_at_all_wherever_the_server_dies() {
    let mut outcomes = [0; 2];
    let deaths = die_ever_later(|left, last_is_kept| {
        let mut scene = Scene::new();
        let delete = |nonce: &[u8; 32]| {
            let proof = DeletionProof {
                realm: &scene.anna.address.realm,
                handle: &scene.anna.address.handle,
                nonce,
            };
            Asked::DeleteAccount(wire::DeleteAccount {
                signature: proof.sign(&scene.anna.someone.account),
            })
        };
        let answered = scene.ask_a_dying_server(left, last_is_kept, delete);
        scene.restart();
        let gone = scene.log_in(&scene.phone) == Err(RefusalCode::AccountDeleted);
        let login = if gone {
            Err(RefusalCode::AccountDeleted)
        } else {
            Ok(())
        };
        assert_eq!(
            [scene.log_in(&scene.anna), scene.log_in(&scene.phone)],
            [login; 2]
        );
        assert_eq!(scene.talk(), [Ok(()); 2]);
        let fetch = wire::FetchPiece {
            blob: BLOB,
            offset: 0,
            length: 6,
        };
        let mut b: Client<'_> = scene.town.login(&scene.boris);
        let blob = refusal(b.ask(Asked::FetchPiece(fetch)));
        assert_eq!(
            blob,
            if gone {
                Err(RefusalCode::UnknownBlob)
            } else {
                Ok(())
            }
        );
        outcomes[usize::from(gone)] += 1;
        match answered {
            Ok(_) => assert!(gone),
            Err(code) => assert_eq!(code, RefusalCode::StoreFailed),
        }
        answered.is_ok()
    });
    assert!(
        deaths >= 12 && outcomes[0] >= 1 && outcomes[1] >= 10,
        "{outcomes:?}"
    );
}
