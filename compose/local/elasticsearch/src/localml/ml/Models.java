package localml.ml;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.xpack.core.ml.MlConfigVersion;
import org.elasticsearch.xpack.core.ml.inference.TrainedModelConfig;
import org.elasticsearch.xpack.core.ml.inference.TrainedModelInput;
import org.elasticsearch.xpack.core.ml.inference.TrainedModelType;
import org.elasticsearch.xpack.core.ml.inference.trainedmodel.IndexLocation;
import org.elasticsearch.xpack.core.ml.inference.trainedmodel.TextExpansionConfig;
import org.elasticsearch.xpack.core.ml.inference.trainedmodel.TrainedModelSizeStats;

/** The trained models that this node knows. There is no download: both ELSER names stand for the local encoder. */
public final class Models {
    public static final String ELSER = ".elser_model_2";
    public static final String ELSER_LINUX = ".elser_model_2_linux-x86_64";
    public static final String SYNTHETIC = "synthetic";

    /** Size and estimated need of the real optimised ELSER v2, in bytes; the need is flat whatever the allocations. */
    private static final long ELSER_BYTES = 274_756_282L;
    private static final long ELSER_NATIVE_BYTES = 2_101_346_304L;

    private static final Map<String, String> DESCRIPTIONS = new LinkedHashMap<>();

    static {
        DESCRIPTIONS.put(ELSER, "Elastic Learned Sparse EncodeR v2; played by the local encoder");
        DESCRIPTIONS.put(
            ELSER_LINUX, "Elastic Learned Sparse EncodeR v2, optimized for linux-x86_64; played by the local encoder"
        );
        DESCRIPTIONS.put(SYNTHETIC, "Waits instead of computing; answers with the words of the text");
    }

    private Models() {}

    public static Set<String> ids() {
        return DESCRIPTIONS.keySet();
    }

    public static boolean exists(String id) {
        return DESCRIPTIONS.containsKey(id);
    }

    static boolean isSynthetic(String id) {
        return SYNTHETIC.equals(id);
    }

    public static long bytes(String id) {
        return isSynthetic(id) ? 0 : ELSER_BYTES;
    }

    public static TrainedModelSizeStats sizeStats(String id) {
        return new TrainedModelSizeStats(bytes(id), isSynthetic(id) ? 0 : ELSER_NATIVE_BYTES);
    }

    public static TrainedModelConfig config(String id) {
        return TrainedModelConfig.builder()
            .setModelId(id)
            .setModelType(TrainedModelType.PYTORCH)
            .setCreatedBy("api_user")
            .setVersion(MlConfigVersion.CURRENT)
            .setDescription(DESCRIPTIONS.get(id))
            .setCreateTime(Instant.EPOCH)
            .setTags(isSynthetic(id) ? List.of() : List.of("elastic"))
            .setModelSize(bytes(id))
            .setInput(new TrainedModelInput(List.of("text_field")))
            .setInferenceConfig(new TextExpansionConfig(null, null, null))
            .setLocation(new IndexLocation(".ml-inference-native-000002"))
            .setEstimatedOperations(0)
            .build();
    }

    /** Whether {@code id} is meant by an expression of the API: a comma list with wildcards; empty or _all is all. */
    public static boolean matches(String expression, String id) {
        if (Strings.isNullOrEmpty(expression) || expression.equals("_all")) {
            return true;
        }
        return Regex.simpleMatch(Strings.splitStringByCommaToArray(expression), id);
    }
}
