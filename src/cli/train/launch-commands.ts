/** `anonymizer-train launch modal`: trainings on Modal's GPUs. */
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  AnonymizerError,
  codedError,
  findRunRecord,
  type ModalLauncher,
  openModalLauncher,
  parseOverrides,
  planModalLaunch,
  planText,
  type RunRecord,
  type RunStatus,
  writeRunRecord,
} from "../../index.ts";
import type { Terminal } from "../terminal.ts";

interface Context {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly finish: { code: number };
}

interface CommonOptions {
  readonly state: string;
  readonly environment?: string;
  readonly json?: boolean;
}

interface StartOptions extends CommonOptions {
  readonly config?: string;
  readonly set: readonly string[];
  readonly run?: string;
  readonly backend: "function" | "sandbox";
  readonly image?: string;
  readonly gpu?: string;
  readonly timeout?: number;
  readonly bucket?: string;
  readonly bucketEndpoint?: string;
  readonly push?: string;
  readonly app?: string;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
}

export function addLaunchCommands(program: Command, context: Context): void {
  const launch = program.command("launch").description("Train on other machines.");
  const modal = withCommon(launch.command("modal"))
    .description("Train on Modal: start, or go on with, a run; its log is followed until it ends.")
    .option(
      "--config <file>",
      "YAML configuration of a vae or unet; paths as the containers see them (/data, /models, /runs)",
    )
    .option(
      "--set <key=value>",
      "set any key of the configuration; repeat for more",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option(
      "--run <name>",
      "name of the run; the same name goes on from its checkpoint; default: the configuration's name",
    )
    .addOption(
      new Option("--backend <backend>", "the deployed app, or one container")
        .choices(["function", "sandbox"])
        .default("function"),
    )
    .option("--image <ref>", "sandbox: image with this package")
    .option("--gpu <type[:count]>", "sandbox: another GPU")
    .option("--timeout <seconds>", "sandbox: seconds until it ends", positiveInt)
    .option("--bucket <name>", "sandbox: bucket behind /data and /models")
    .option("--bucket-endpoint <url>", "sandbox: endpoint of the bucket (R2)")
    .option("--push <address>", "push the finished model there: r2://BUCKET/PREFIX/NAME@VERSION")
    .option("--app <name>", "name of the app on Modal")
    .option("--dry-run", "print what would run and what it would cost; ask nothing of Modal")
    .option("--detach", "start, print the id, and leave")
    .action((options: StartOptions) => start(options, context));
  for (const [name, description, work] of [
    ["attach", "Follow the log of a run until it ends.", attach],
    ["status", "Whether a run goes on, and how it ended.", status],
    ["stop", "End a run; it writes a checkpoint and can be gone on with.", stop],
  ] as const) {
    ofRun(modal.command(name))
      .description(description)
      .action((run: string, _: object, command: Command) => withRun(run, command.optsWithGlobals(), context, work));
  }
  ofRun(modal.command("logs"))
    .description("Print the last lines of a run's log.")
    .option("--tail <lines>", "lines", positiveInt, 100)
    .action((run: string, { tail }: { tail: number }, command: Command) =>
      withRun(run, command.optsWithGlobals(), context, (launcher, { id }, { terminal }) =>
        launcher.logs(id, tail, terminal),
      ),
    );
}

/** Its options are those of `modal` itself, which reads them wherever they stand. */
const ofRun = (command: Command): Command =>
  command.argument("<run>", "name of the run, or its id").configureHelp({ showGlobalOptions: true });

const withCommon = (command: Command): Command =>
  command
    .option("--state <dir>", "folder with the records of runs", "runs")
    .option("--environment <name>", "environment on Modal; default: MODAL_ENVIRONMENT or the profile's")
    .option("--json", "print JSON");

function positiveInt(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return value;
}

async function start(options: StartOptions, context: Context): Promise<void> {
  const { terminal, signal } = context;
  if (options.config === undefined) throw codedError("ERR_USAGE", "--config is missing");
  const { image, gpu, push, app, run, timeout, bucket, bucketEndpoint } = options;
  const plan = await planModalLaunch({
    config: options.config,
    overrides: parseOverrides(options.set),
    backend: options.backend,
    ...(run !== undefined && { run }),
    ...(image !== undefined && { image }),
    ...(gpu !== undefined && { gpu }),
    ...(timeout !== undefined && { timeoutSeconds: timeout }),
    ...(bucket !== undefined && {
      bucket: { name: bucket, ...(bucketEndpoint !== undefined && { endpoint: bucketEndpoint }) },
    }),
    ...(push !== undefined && { push }),
    ...(app !== undefined && { app }),
  });
  if (options.dryRun) {
    terminal.stdout.write(options.json ? `${JSON.stringify(plan, null, 2)}\n` : planText(plan));
    return;
  }
  terminal.stderr.write(planText(plan));
  const launcher = await open(options);
  try {
    const before = await findRunRecord(options.state, plan.run);
    if (before !== undefined && (await isUnderWay(launcher, before.id)))
      throw codedError("ERR_LAUNCH_RUN", `The run ${plan.run} is under way as ${before.id}`);
    const id = await launcher.start(plan, signal);
    const record: RunRecord = {
      run: plan.run,
      backend: plan.backend,
      id,
      app: plan.app,
      started_at: new Date().toISOString(),
    };
    await writeRunRecord(options.state, record);
    terminal.stdout.write(options.json ? `${JSON.stringify(record)}\n` : `${id}\n`);
    if (!options.detach) await attach(launcher, record, context, options);
  } finally {
    launcher.close();
  }
}

/** What Modal has forgotten is over. */
async function isUnderWay(launcher: ModalLauncher, id: string): Promise<boolean> {
  try {
    return (await launcher.status(id)).state === "running";
  } catch (error) {
    if (error instanceof AnonymizerError && error.code === "ERR_LAUNCH_NOT_FOUND") return false;
    throw error;
  }
}

type Work = (launcher: ModalLauncher, record: RunRecord, context: Context, options: CommonOptions) => Promise<void>;

async function withRun(run: string, options: CommonOptions, context: Context, work: Work): Promise<void> {
  const record = await findRunRecord(options.state, run);
  if (record === undefined) throw codedError("ERR_LAUNCH_RUN", `There is no record of ${run} in ${options.state}`);
  const launcher = await open(options);
  try {
    await work(launcher, record, context, options);
  } finally {
    launcher.close();
  }
}

const open = ({ environment }: CommonOptions): Promise<ModalLauncher> =>
  openModalLauncher(environment === undefined ? {} : { environment });

/** Leaving does not end the run. */
async function attach(
  launcher: ModalLauncher,
  { id, run }: RunRecord,
  context: Context,
  options: CommonOptions,
): Promise<void> {
  const { terminal, signal, finish } = context;
  await launcher.follow(id, terminal, signal);
  if (signal.aborted) {
    terminal.stderr.write(`${run} goes on; follow it with: anonymizer-train launch modal attach ${run}\n`);
    return;
  }
  const ended = await launcher.status(id);
  tell(run, ended, terminal, options);
  finish.code = ended.state === "done" ? 0 : ended.state === "unfinished" ? 75 : 1;
}

async function status(
  launcher: ModalLauncher,
  { id, run }: RunRecord,
  { terminal }: Context,
  options: CommonOptions,
): Promise<void> {
  tell(run, await launcher.status(id), terminal, options);
}

async function stop(launcher: ModalLauncher, { id, run }: RunRecord, { terminal }: Context): Promise<void> {
  await launcher.stop(id);
  terminal.stderr.write(`${run} was told to stop\n`);
}

function tell(run: string, ended: RunStatus, { stdout }: Terminal, { json }: CommonOptions): void {
  const { state, exit, message } = ended;
  if (json) stdout.write(`${JSON.stringify({ run, ...ended })}\n`);
  else
    stdout.write(
      `${run}: ${state}${exit === undefined ? "" : `, exit code ${exit}`}${message === undefined ? "" : `: ${message}`}\n`,
    );
}
