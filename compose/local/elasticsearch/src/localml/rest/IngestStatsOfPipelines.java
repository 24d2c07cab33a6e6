package localml.rest;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.cluster.metadata.ProjectId;
import org.elasticsearch.ingest.IngestStats;

/** Cuts the node's ingest statistics down to some pipelines, with a total of their own. */
final class IngestStatsOfPipelines {
    private IngestStatsOfPipelines() {}

    static IngestStats of(IngestStats all, Set<String> pipelines) {
        List<IngestStats.PipelineStat> kept = all.pipelineStats().stream()
            .filter(stat -> pipelines.contains(stat.pipelineId()))
            .toList();
        Map<ProjectId, Map<String, List<IngestStats.ProcessorStat>>> processors = new HashMap<>();
        all.processorStats().forEach((project, byPipeline) -> {
            Map<String, List<IngestStats.ProcessorStat>> those = new HashMap<>(byPipeline);
            those.keySet().retainAll(pipelines);
            processors.put(project, those);
        });
        IngestStats.Stats total = kept.stream().map(IngestStats.PipelineStat::stats).reduce(
            IngestStats.Stats.IDENTITY, IngestStatsOfPipelines::sum
        );
        return new IngestStats(total, kept, processors);
    }

    private static IngestStats.Stats sum(IngestStats.Stats a, IngestStats.Stats b) {
        return new IngestStats.Stats(
            a.ingestCount() + b.ingestCount(),
            a.ingestTimeInMillis() + b.ingestTimeInMillis(),
            a.ingestCurrent() + b.ingestCurrent(),
            a.ingestFailedCount() + b.ingestFailedCount()
        );
    }
}
