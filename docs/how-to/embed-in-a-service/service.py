"""Sessions and scores over HTTP: logs come and go as Arrow streams, a survey as JSON.

uvicorn service:app
"""

from typing import Annotated

import polars as pl
import pyarrow as pa
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import cxcore as cx

ARROW = "application/vnd.apache.arrow.stream"
app = FastAPI(title="cxcore")


async def body(request: Request) -> bytes:
    return await request.body()


def read(log: bytes) -> pa.RecordBatchReader:
    """The batches of a body, checked: pyarrow and Polars trust its offsets, and a wrong one is a crash."""
    try:
        with pa.ipc.open_stream(log) as reader:
            table = reader.read_all()
        table.validate(full=True)
        return table.to_reader()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a body cut short is an OSError
        raise HTTPException(400, str(error)) from error


# `def`, not `async def`: FastAPI runs it in its pool of threads, where it may work for as long as it wants.
@app.post("/sessionize", response_class=Response)
def sessionize(log: Annotated[bytes, Depends(body)], user: str, time: str, gap: str = "30m") -> Response:
    """The rows of the log in their order, with ``session_id`` and ``session_number``."""
    # one thread for each call: calls run beside each other already
    rows = cx.sessionize(read(log), user=user, time=time, gap=gap, n_threads=1)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


class Answers(BaseModel):
    score: list[int | None]
    segment: list[str | None]


@app.post("/nps")
def nps(answers: Answers, confidence_level: float = 0.95) -> list[dict[str, object]]:
    """One object for each segment, with its interval."""
    frame = pl.DataFrame(answers.model_dump(), schema={"score": pl.Int64, "segment": pl.String})
    return cx.nps(frame, score="score", by="segment", confidence_level=confidence_level).to_dicts()


@app.exception_handler(cx.errors.CxError)
def say_what_is_wrong(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=422)


@app.exception_handler(pl.exceptions.ShapeError)
def say_that_it_is_no_table(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=400)
