//! Competitions: what is open, boards, handing in, uploads in pieces.

use axum::{
    Json,
    body::Bytes,
    extract::{Multipart, Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    access::Who,
    competitions::{
        self,
        arrive::{self, too_large},
        submit::{self, External},
    },
    error::{AppError, Problems},
    pages::competitions::{
        board::{Asked, BoardColumn, BoardItem, item},
        submit::by_form,
    },
    state::competitions::{
        queue,
        submissions::{self, Submission},
        teams,
        uploads::{self, Upload, UploadError},
    },
};

use super::sent::Sent;

/// A stage.
#[derive(Serialize, ToSchema)]
pub struct StageItem {
    name: String,
    title: String,
    opens: String,
    closes: String,
    /// When the private board is shown.
    reveals: String,
}

/// A competition.
#[derive(Serialize, ToSchema)]
pub struct CompetitionItem {
    name: String,
    title: String,
    summary: String,
    /// The task form of submissions.
    form: String,
    metric: String,
    per_day: u32,
    total: Option<u32>,
    /// Most bytes of a submission's file.
    file_bytes: u64,
    /// Whether outside data must be declared.
    declares_external_data: bool,
    stages: Vec<StageItem>,
}

fn utc(at: fairframe_schemas::Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn competition(open: &competitions::Open) -> CompetitionItem {
    let toml = &open.competition.toml;
    CompetitionItem {
        name: open.row.name.to_string(),
        title: toml.title.clone(),
        summary: toml.summary.clone(),
        form: toml.task.form.as_str().to_owned(),
        metric: toml.board.metric.clone(),
        per_day: toml.limits.per_day,
        total: toml.limits.total,
        file_bytes: toml.limits.file_bytes,
        declares_external_data: toml.external_data.declare,
        stages: open
            .competition
            .stages
            .iter()
            .map(|stage| StageItem {
                name: stage.name.to_string(),
                title: stage.title.clone(),
                opens: utc(stage.opens),
                closes: utc(stage.closes),
                reveals: utc(stage.reveals),
            })
            .collect(),
    }
}

/// Competitions that are shown
#[utoipa::path(get, path = "/competitions", tag = "Competitions",
    responses((status = 200, body = [CompetitionItem]), Problems))]
pub async fn list(
    State(app): State<App>,
    who: Who,
) -> Result<Json<Vec<CompetitionItem>>, AppError> {
    let all = competitions::all(&app, &who).await?;
    Ok(Json(all.iter().map(competition).collect()))
}

/// A competition
#[utoipa::path(get, path = "/competitions/{name}", tag = "Competitions",
    params(("name" = String, Path)),
    responses((status = 200, body = CompetitionItem), Problems))]
pub async fn one(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Json<CompetitionItem>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    Ok(Json(competition(&open)))
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct BoardAsked {
    /// The stage; the one that is open when absent
    stage: Option<String>,
    /// `public` or `private`; the private one is there once it is shown
    side: Option<String>,
}

/// A leaderboard
#[utoipa::path(get, path = "/competitions/{name}/board", tag = "Competitions",
    params(("name" = String, Path), BoardAsked),
    responses((status = 200, body = BoardItem), Problems))]
pub async fn board(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<BoardAsked>,
) -> Result<Json<BoardItem>, AppError> {
    let asked = Asked::of(asked.stage, asked.side.as_deref())?;
    Ok(Json(item(&app, &who, &name, &asked).await?))
}

/// A submission of one's own team.
#[derive(Serialize, ToSchema)]
pub struct SubmissionItem {
    number: i64,
    stage: String,
    at: String,
    name: String,
    sha256: String,
    bytes: u64,
    /// `queued`, `scored`, `invalid`, `failed` or `cancelled`.
    state: String,
    /// Whether it uses up the limits.
    counts: bool,
    /// Submissions before it in the queue; 0 while it is being scored.
    before: Option<i64>,
    /// The public score; with a Ladder what the board shows, until the private board is shown.
    public: Option<f64>,
    /// What the board shows of the team after it.
    shown: Option<f64>,
    /// The board's columns beside the public score.
    columns: Vec<BoardColumn>,
    /// The private score, once it is shown.
    private: Option<f64>,
    /// Why it could not be scored.
    problem: String,
    /// What is wrong with the file, as `fairframe eval --defects` writes it.
    defects: Option<serde_json::Value>,
}

async fn described(
    app: &App,
    open: &competitions::Open,
    submission: &Submission,
) -> Result<SubmissionItem, AppError> {
    let stage = open.stage(submission.stage.as_str())?;
    let [public, private] = competitions::told(app, open, submission).await?;
    let columns = match &public {
        Some(score) => competitions::columns(app, open, score)?,
        None => Vec::new(),
    };
    let columns = columns.iter();
    let defects = submission.defects.as_deref().map(serde_json::from_str);
    Ok(SubmissionItem {
        number: submission.seq,
        stage: stage.name.to_string(),
        at: utc(submission.at),
        name: submission.name.clone(),
        sha256: submission.sha256.to_string(),
        bytes: submission.bytes,
        state: submission.state.as_str().to_owned(),
        counts: submission.counts,
        before: queue::before(&app.db, submission.seq).await?,
        public: public.as_ref().and_then(|s| s.value),
        shown: public.and_then(|s| s.shown),
        columns: columns
            .map(|(title, cell)| BoardColumn::new(title, cell))
            .collect(),
        private: private.and_then(|s| s.value),
        problem: submission.problem.clone(),
        defects: defects.transpose().map_err(AppError::internal)?,
    })
}

/// One's team's submissions, newest first
#[utoipa::path(get, path = "/competitions/{name}/submissions", tag = "Competitions",
    params(("name" = String, Path)), security(("token" = []), ("session" = [])),
    responses((status = 200, body = [SubmissionItem]), Problems))]
pub async fn submissions(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Json<Vec<SubmissionItem>>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = submit::participant(&who, &open)?;
    let mut found = Vec::new();
    if let Some(team) = teams::of(&app.db, open.name(), &account.id).await? {
        for submission in submissions::of_team(&app.db, open.name(), team.id).await? {
            found.push(described(&app, &open, &submission).await?);
        }
    }
    Ok(Json(found))
}

/// A submission of one's team
#[utoipa::path(get, path = "/competitions/{name}/submissions/{number}", tag = "Competitions",
    params(("name" = String, Path), ("number" = i64, Path)), security(("token" = []), ("session" = [])),
    responses((status = 200, body = SubmissionItem), Problems))]
pub async fn submission(
    State(app): State<App>,
    who: Who,
    Path((name, number)): Path<(String, i64)>,
) -> Result<Json<SubmissionItem>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = submit::participant(&who, &open)?;
    let team = teams::of(&app.db, open.name(), &account.id).await?;
    let found = submissions::find(&app.db, number).await?;
    let mine = |s: &Submission| s.team.is_some() && s.team == team.as_ref().map(|t| t.id);
    let found = found.filter(mine).filter(|s| s.competition == *open.name());
    let found = found.ok_or(AppError::NotFound("submission"))?;
    Ok(Json(described(&app, &open, &found).await?))
}

/// A submission that was taken.
#[derive(Serialize, ToSchema)]
pub struct Taken {
    number: i64,
}

/// A form with a file.
#[derive(ToSchema)]
#[allow(dead_code)] // for the document
pub struct Form {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    note: Option<String>,
    /// `yes` or `no`: whether outside data were used.
    external: Option<String>,
    /// What they are, and where they are from.
    what: Option<String>,
    /// Their licence (SPDX).
    licence: Option<String>,
    /// What people shown in them agreed to.
    consent: Option<String>,
}

/// Submit a file
#[utoipa::path(post, path = "/competitions/{name}/submissions", tag = "Competitions",
    params(("name" = String, Path)), security(("token" = [])),
    request_body(content = inline(Form), content_type = "multipart/form-data"),
    responses((status = 201, body = Taken), Problems))]
pub async fn submit(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    form: Multipart,
) -> Result<(StatusCode, Json<Taken>), AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let number = by_form(&app, &who, &open, form).await?;
    Ok((StatusCode::CREATED, Json(Taken { number })))
}

/// Where an upload is: its length and how much is there (tus 1.0.0).
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");

/// Largest piece of an upload, in bytes.
pub const MAX_PIECE: usize = 16 << 20;

/// What a file that arrives in pieces is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    name: String,
    bytes: u64,
}

/// An upload.
#[derive(Serialize, ToSchema)]
pub struct UploadItem {
    id: String,
    bytes: u64,
    /// How much has arrived.
    offset: u64,
}

/// Begin an upload in pieces
#[utoipa::path(post, path = "/competitions/{name}/uploads", tag = "Competitions",
    params(("name" = String, Path)), security(("token" = []), ("session" = [])),
    request_body = Begin, responses((status = 201, body = UploadItem), Problems))]
pub async fn begin(
    State(app): State<App>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<(StatusCode, Json<UploadItem>), AppError> {
    let open = competitions::find(&app, &sent.who, &name).await?;
    let account = submit::participant(&sent.who, &open)?;
    submit::may_now(&app, &open, account).await?;
    let begin: Begin = sent.json()?;
    let most = open.competition.toml.limits.file_bytes;
    if begin.bytes == 0 || begin.bytes > most {
        return Err(too_large(most));
    }
    if begin.name.len() > submissions::MAX_FILE_NAME || begin.name.chars().any(char::is_control) {
        return Err(AppError::Invalid("The file's name is too long.".to_owned()));
    }
    let mut write = app.db.write().await?;
    let (of, called) = (open.name(), &begin.name);
    let id = uploads::begin(&mut write, of, &account.id, called, begin.bytes).await?;
    write.commit().await?;
    let item = UploadItem {
        id,
        bytes: begin.bytes,
        offset: 0,
    };
    Ok((StatusCode::CREATED, Json(item)))
}

async fn own_upload(
    app: &App,
    who: &Who,
    name: &str,
    id: &str,
) -> Result<(competitions::Open, Upload), AppError> {
    let open = competitions::find(app, who, name).await?;
    let account = submit::participant(who, &open)?;
    let found = uploads::find(&app.db, id, &account.id).await?;
    let found = found.filter(|u| u.competition == *open.name());
    Ok((open, found.ok_or(AppError::NotFound("upload"))?))
}

fn at(offset: u64, upload: &Upload) -> [(HeaderName, HeaderValue); 3] {
    [
        (OFFSET, offset.into()),
        (LENGTH, upload.bytes.into()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}

/// How much of an upload is there
#[utoipa::path(get, path = "/competitions/{name}/uploads/{id}", tag = "Competitions",
    params(("name" = String, Path), ("id" = String, Path)), security(("token" = []), ("session" = [])),
    responses((status = 200, body = UploadItem), Problems))]
pub async fn upload(
    State(app): State<App>,
    who: Who,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let (open, upload) = own_upload(&app, &who, &name, &id).await?;
    let offset = open.vault.arrived(&upload.id).map_err(AppError::internal)?;
    let item = UploadItem {
        id,
        bytes: upload.bytes,
        offset,
    };
    Ok((at(offset, &upload), Json(item)).into_response())
}

/// Send the next piece of an upload
///
/// `Upload-Offset` says where it begins, which is how much is there.
#[utoipa::path(patch, path = "/competitions/{name}/uploads/{id}", tag = "Competitions",
    params(("name" = String, Path), ("id" = String, Path), ("Upload-Offset" = u64, Header)),
    security(("token" = [])),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204), Problems))]
pub async fn piece(
    State(app): State<App>,
    who: Who,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AppError> {
    // A browser's page sends forms; pieces are sent by programs with a token.
    if who.scopes().is_none() {
        who.known()?;
        return Err(AppError::Forbidden);
    }
    let (open, upload) = own_upload(&app, &who, &name, &id).await?;
    let offset = headers.get(OFFSET).and_then(|v| v.to_str().ok());
    let offset: u64 = offset
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| AppError::Invalid("`Upload-Offset` is a number of bytes.".to_owned()))?;
    let there = open.vault.arrived(&upload.id).map_err(AppError::internal)?;
    if offset != there {
        return Err(AppError::Conflict(format!("{there} bytes are there.")));
    }
    if there + body.len() as u64 > upload.bytes {
        return Err(AppError::Invalid(
            "That is more than the upload was begun for.".to_owned(),
        ));
    }
    let (vault, its) = (open.vault.clone(), upload.id.clone());
    let there = arrive::blocking(move || vault.add(&its, offset, &body)).await?;
    Ok((StatusCode::NO_CONTENT, at(there, &upload)).into_response())
}

/// What is said of an upload that is whole.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Finish {
    note: String,
    /// Outside data it was made with.
    external: Option<External>,
}

/// Submit an upload that is whole
#[utoipa::path(post, path = "/competitions/{name}/uploads/{id}/submit", tag = "Competitions",
    params(("name" = String, Path), ("id" = String, Path)), security(("token" = []), ("session" = [])),
    request_body = Finish, responses((status = 201, body = Taken), Problems))]
pub async fn finish(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<(StatusCode, Json<Taken>), AppError> {
    let (open, upload) = own_upload(&app, &sent.who, &name, &id).await?;
    let finish: Finish = sent.json()?;
    let there = open.vault.arrived(&upload.id).map_err(AppError::internal)?;
    if there != upload.bytes {
        return Err(AppError::Conflict(format!(
            "{there} of {} bytes are there.",
            upload.bytes
        )));
    }
    let arrived = arrive::keep(&open.vault, &upload.id, upload.name.clone(), there).await?;
    let external = finish.external.as_ref();
    let (note, id) = (finish.note.as_str(), Some(upload.id.as_str()));
    let number = submit::submit(&app, &sent.who, &open, &arrived, note, external, id).await?;
    open.vault.drop_upload(&upload.id);
    Ok((StatusCode::CREATED, Json(Taken { number })))
}

/// Give an upload up
#[utoipa::path(delete, path = "/competitions/{name}/uploads/{id}", tag = "Competitions",
    params(("name" = String, Path), ("id" = String, Path)), security(("token" = []), ("session" = [])),
    responses((status = 204), Problems))]
pub async fn give_up(
    State(app): State<App>,
    Path((name, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<StatusCode, AppError> {
    let (open, upload) = own_upload(&app, &sent.who, &name, &id).await?;
    let mut write = app.db.write().await?;
    uploads::end(&mut write, &upload.id).await?;
    write.commit().await?;
    open.vault.drop_upload(&upload.id);
    Ok(StatusCode::NO_CONTENT)
}

impl From<UploadError> for AppError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Many => AppError::Conflict(error.to_string()),
            UploadError::State(error) => error.into(),
            UploadError::Random(_) => AppError::internal(error),
        }
    }
}
